using ChannelSdk.Host.Freeze;
using static ChannelSdk.Host.Connection.GuestClaim;

namespace ChannelSdk.Host.Snapshots;

/// <summary>Where a guest is around a snapshot.</summary>
public enum SnapshotState
{
    /// <summary>It does not say.</summary>
    Unspecified,
    /// <summary>Nothing is prepared, and it is repaired.</summary>
    Idle,
    /// <summary>It comes to rest.</summary>
    Preparing,
    /// <summary>It is at rest.</summary>
    Prepared,
    /// <summary>A copy repairs itself.</summary>
    Repairing,
    /// <summary>A mandatory step of the last repair has failed.</summary>
    Unrepaired,
}

/// <summary>What became of a step.</summary>
public enum StepOutcome
{
    /// <summary>The guest does not say.</summary>
    Unspecified,
    /// <summary>It is done.</summary>
    Done,
    /// <summary>It failed.</summary>
    Failed,
    /// <summary>There was nothing to do.</summary>
    Skipped,
}

/// <summary>A step of a preparation or of a repair.</summary>
/// <param name="Name">For instance "gate" or "random".</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="IsMandatory">Whether the guest is not ready if it fails.</param>
/// <param name="Reason">Why it failed or was skipped, for a person.</param>
public sealed record SnapshotStep(string Name, StepOutcome Outcome, TimeSpan Elapsed, bool IsMandatory, string Reason);

/// <summary>What a guest says of a snapshot: the claim of a party that is not trusted. Texts are escaped, so they are safe to print.</summary>
/// <param name="State">Where it is.</param>
/// <param name="Until">When the lease ends by itself, by the guest's clock; null while nothing is prepared.</param>
/// <param name="Left">The same as time left, free of clock differences.</param>
/// <param name="Steps">The steps of this call in their order; of a status, those of the last repair.</param>
/// <param name="Freeze">Hooks and mounts of a preparation or of its end; null where there was neither.</param>
/// <param name="Failure">Why nothing is prepared, or which step left the guest unrepaired. Empty: it did not fail.</param>
/// <param name="LastEnd">How the last preparation ended, for a person. Empty before the first.</param>
/// <param name="Generation">Which run of the guest this is; null before the first restore or clone.</param>
/// <param name="IsGated">Of a copy: whether no program ran from the snapshot until the end of the repair.</param>
public sealed record SnapshotReport(
    SnapshotState State, DateTimeOffset? Until, TimeSpan Left, IReadOnlyList<SnapshotStep> Steps, FreezeReport? Freeze, string Failure, string LastEnd, Guid? Generation, bool IsGated)
{
    private const int GenerationSize = 16;

    internal static SnapshotReport Of(Protocol.Services.SnapshotReport untrusted) => new(
        Value<SnapshotState>((int)untrusted.State),
        Instant(untrusted.UntilUnixMs),
        Milliseconds(untrusted.LeftMs),
        List(untrusted.Steps, static s => new SnapshotStep(Text(s.Name), Value<StepOutcome>((int)s.Outcome), Milliseconds(s.ElapsedUs / 1000) + Rest(s.ElapsedUs), s.Mandatory, Text(s.Reason))),
        untrusted.Freeze is { } freeze ? FreezeReport.Of(freeze) : null,
        Text(untrusted.Failure),
        Text(untrusted.LastEnd),
        untrusted.Generation.Length == GenerationSize ? new Guid(untrusted.Generation.Span, bigEndian: true) : null,
        untrusted.Gated);

    // What is cut to the longest time has none.
    private static TimeSpan Rest(ulong untrustedUs) => untrustedUs < long.MaxValue / TimeSpan.TicksPerMicrosecond ? TimeSpan.FromTicks((long)(untrustedUs % 1000) * TimeSpan.TicksPerMicrosecond) : TimeSpan.Zero;
}
