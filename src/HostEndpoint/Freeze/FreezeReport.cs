using static ChannelSdk.Host.Connection.GuestClaim;

namespace ChannelSdk.Host.Freeze;

/// <summary>What a guest says of a freeze: the claim of a party that is not trusted. Texts are escaped, so they are safe to print.</summary>
/// <param name="State">Whether it is frozen.</param>
/// <param name="Until">When the lease ends by itself, by the guest's clock; null while thawed.</param>
/// <param name="Left">The same as time left, free of clock differences.</param>
/// <param name="Mounts">Of a freeze and of a status, each mount in the order of freezing; of a thaw, in the order of thawing.</param>
/// <param name="Hooks">The hooks that this call ran. A status has none.</param>
/// <param name="Failure">Of a freeze: why nothing is frozen. All that had been frozen was thawed again.</param>
/// <param name="LastEnd">How the last freeze ended, for a person. Empty before the first.</param>
public sealed record FreezeReport(
    FreezeState State, DateTimeOffset? Until, TimeSpan Left, IReadOnlyList<MountResult> Mounts, IReadOnlyList<HookResult> Hooks, string Failure, string LastEnd)
{
    internal static FreezeReport Of(Protocol.Services.FreezeReport untrusted) => new(
        Value<FreezeState>((int)untrusted.State),
        Instant(untrusted.UntilUnixMs),
        Milliseconds(untrusted.LeftMs),
        List(untrusted.Mounts, static m => new MountResult(Text(m.Mount), Text(m.Type), Text(m.Source), Value<MountOutcome>((int)m.Outcome), Text(m.Reason))),
        List(untrusted.Hooks, static h => new HookResult(Text(h.Name), h.ExitCode, h.TimedOut, Milliseconds(h.ElapsedMs), Text(h.Output), h.OutputCut)),
        Text(untrusted.Failure),
        Text(untrusted.LastEnd));
}

/// <summary>Where a guest is between thawed and frozen.</summary>
public enum FreezeState
{
    /// <summary>It does not say.</summary>
    Unspecified,
    /// <summary>Nothing is frozen.</summary>
    Thawed,
    /// <summary>Hooks run, or file systems are on their way.</summary>
    Freezing,
    /// <summary>File systems are frozen.</summary>
    Frozen,
    /// <summary>File systems are on their way back.</summary>
    Thawing,
}

/// <summary>What became of a mount.</summary>
public enum MountOutcome
{
    /// <summary>The guest does not say.</summary>
    Unspecified,
    /// <summary>It is frozen.</summary>
    Frozen,
    /// <summary>Frozen by another program, which may thaw it at any time; left as it is. Not a failure of the whole.</summary>
    AlreadyFrozen,
    /// <summary>Cannot or need not be frozen: read-only, network, no storage behind it, hidden by another mount. Not a failure.</summary>
    Skipped,
    /// <summary>It could not be frozen or thawed.</summary>
    Failed,
    /// <summary>It was thawed.</summary>
    Thawed,
    /// <summary>Somebody else had thawed it before.</summary>
    NotFrozen,
}

/// <summary>A mount in a report.</summary>
/// <param name="Mount">Where it is mounted.</param>
/// <param name="Type">For instance "ext4".</param>
/// <param name="Source">For instance "/dev/vda1".</param>
/// <param name="Outcome">The outcome.</param>
/// <param name="Reason">Why, for a person; empty where the outcome says it all.</param>
public sealed record MountResult(string Mount, string Type, string Source, MountOutcome Outcome, string Reason);

/// <summary>A hook that ran.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ExitCode">128 and a signal's number for a killed hook.</param>
/// <param name="TimedOut">Whether it was killed as it took too long.</param>
/// <param name="Elapsed">How long it ran.</param>
/// <param name="Output">Its output, at most 4096 bytes before they were escaped.</param>
/// <param name="OutputCut">Whether it printed more.</param>
public sealed record HookResult(string Name, int ExitCode, bool TimedOut, TimeSpan Elapsed, string Output, bool OutputCut);
