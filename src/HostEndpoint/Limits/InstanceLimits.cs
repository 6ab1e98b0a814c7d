using ChannelSdk.Host.Options;

namespace ChannelSdk.Host.Limits;

/// <summary>
/// What an instance may cost its host besides the bytes, frames and calls that its session bounds (<see cref="Protocol.Options.SessionOptions"/>) and
/// the memory and processors of its worker (<see cref="Workers.WorkerOptions"/>). It can be changed while the instance is attached (<see cref="Instance.Limits"/>).
/// </summary>
public sealed record InstanceLimits
{
    /// <summary>Log lines a second about its links, sessions and state, which its guest can cause: 1 to 10,000, as a rule 50. Further ones are counted, and told with the next line.</summary>
    public int EventLines { get; init; } = 50;

    /// <summary>Log lines and audit records a second about calls of its guest that were refused: 1 to 10,000, as a rule 10. Further ones are counted, and told with the next one.</summary>
    public int RefusalLines { get; init; } = 10;

    /// <summary>
    /// Workers that are started for it a minute, one after the other: 1 to 6,000, as a rule 60, ten of them at once. A worker that ends at once, as its guest
    /// breaks it, is followed by another no sooner.
    /// </summary>
    public int WorkerStarts { get; init; } = 60;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One is not in its range; the text names it.</exception>
    internal InstanceLimits Validate()
    {
        OptionCheck.Range(EventLines, 1, 10_000);
        OptionCheck.Range(RefusalLines, 1, 10_000);
        OptionCheck.Range(WorkerStarts, 1, 6_000);
        return this;
    }
}
