using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>
/// One step of a repair. It may be run again after it was done, or after the agent was killed in the middle of it, and ends well then too. What
/// it throws becomes its failure.
/// </summary>
/// <param name="name">Its name in reports.</param>
internal abstract class RepairStep(string name)
{
    /// <summary>Its name in reports.</summary>
    public string Name => name;

    /// <summary>Whether the guest is not ready if it fails; asked before it runs.</summary>
    public virtual bool IsMandatory(RepairRun run) => false;

    /// <summary>Does it, on this thread.</summary>
    public abstract StepEnd Do(RepairRun run);
}

/// <summary>How a step ended.</summary>
/// <param name="Outcome">Its outcome.</param>
/// <param name="Reason">Why it failed or was skipped, or what is to be said of it.</param>
internal readonly record struct StepEnd(StepOutcome Outcome, string Reason)
{
    public static StepEnd Done(string said = "") => new(StepOutcome.Done, said);

    public static StepEnd Skipped(string why) => new(StepOutcome.Skipped, why);

    public static StepEnd Failed(string why) => new(StepOutcome.Failed, why);
}
