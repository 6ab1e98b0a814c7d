using ChannelSdk.Install.Data;
using ChannelSdk.Install.Events;

namespace ChannelSdk.Install.Operations;

/// <summary>How an operation ended.</summary>
public sealed record InstallResult
{
    /// <summary>How.</summary>
    public required InstallOutcome Outcome { get; init; }

    /// <summary>Why; empty if it succeeded.</summary>
    public required string Reason { get; init; }

    /// <summary>What the half on the host has set as its result, private and secret values replaced; null: nothing.</summary>
    public ReadOnlyMemory<byte>? TrustedResult { get; init; }

    /// <summary>What the half in the appliance has set as its result, bytes of an untrusted party, private and secret values replaced; null: nothing.</summary>
    public ReadOnlyMemory<byte>? UntrustedResult { get; init; }

    /// <summary>The disks whose data was moved as a whole, in their order. Only if the operation has succeeded, an export's is in its place.</summary>
    public IReadOnlyList<MovedData> Data { get; init; } = [];

    /// <summary>How long each phase took, in their order.</summary>
    public required IReadOnlyList<KeyValuePair<InstallPhase, TimeSpan>> Times { get; init; }

    /// <summary>The operation's log.</summary>
    public required string LogFile { get; init; }
}
