using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Repair;

/// <summary>
/// Makes a restored guest or a clone one of its own. Its file systems are thawed by then, and other programs than the agent and its hooks
/// do not run yet where the gate was shut.
/// </summary>
internal interface IRepair
{
    /// <summary>The image's hooks at the time of a repair.</summary>
    Func<HookFolder> Hooks { get; set; }

    /// <summary>The result of the last repair that came to its end, failed or not; null before the first. It survives the agent's end, but no boot.</summary>
    RepairResult? Last { get; }

    /// <summary>Whether a repair was begun and has not come to its end: the agent was killed meanwhile.</summary>
    bool IsUnfinished { get; }

    /// <summary>The present generation, 16 bytes; empty before the first.</summary>
    byte[] Generation { get; }

    /// <summary>Whether this guest has had a generation and has another by now.</summary>
    /// <param name="generation">16 bytes.</param>
    bool HasLeft(ReadOnlySpan<byte> generation);

    /// <summary>Repairs, on this thread. No two calls at once. It throws nothing.</summary>
    /// <param name="request">Of a restored guest or a clone, checked before.</param>
    /// <param name="mustStop">Asked all the time; true ends the repair as failed.</param>
    /// <param name="isGated">Asked at the end: whether the gate has been shut since the snapshot.</param>
    RepairResult Run(CompleteRequest request, Func<bool> mustStop, Func<bool> isGated);

    /// <summary>
    /// Does what has to wait until other programs run again, after a <see cref="Run"/> without a failure and before the guest is ready; at most
    /// 5 s. <see cref="Last"/> has these steps too then. A repair without it is unfinished. It throws nothing.
    /// </summary>
    /// <returns>Its steps, none of them mandatory.</returns>
    IReadOnlyList<StepResult> Settle();
}
