using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Shared;

/// <summary>What the tool's exit says; documented in docs/OPERATIONS.md.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Usage = 2;
    public const int CannotReach = 3;
    public const int Refused = 4;
    public const int Failed = 5;
    /// <summary>The deadline of an install passed: as timeout(1) has it.</summary>
    public const int TimedOut = 124;
    /// <summary>Of exec, whose other codes are the program's: as other tools that run programs elsewhere have it.</summary>
    public const int ExecFailed = 125;
    /// <summary>Stopped; 128 and the signal's number where a signal did it (<see cref="ToolSignals.Code"/>).</summary>
    public const int Stopped = 130;
    /// <summary>Standard output has no reader any more: 128 and SIGPIPE.</summary>
    public const int ReaderGone = 141;

    public static int Of(InstallOutcome outcome) => outcome switch
    {
        InstallOutcome.Succeeded => Ok,
        InstallOutcome.TimedOut => TimedOut,
        InstallOutcome.Cancelled => Stopped,
        _ => Failed,
    };

    public static int Of(ChannelException error) => error switch
    {
        { Origin: ErrorOrigin.Configuration } or { Code: ChannelError.BadEndpointUri } => Usage,
        { Origin: ErrorOrigin.Transport } => CannotReach,
        { Code: ChannelError.PermissionDenied or ChannelError.FailedPrecondition or ChannelError.UnknownMethod } => Refused,
        { Class: ErrorClass.Refused } => Refused,
        _ => Failed,
    };

    /// <summary>Of why: a code for each finding, so that a script need not read the text.</summary>
    public static int Of(Condition finding) => finding switch
    {
        Condition.Ready => Ok,
        Condition.NeverConnected => 10,
        Condition.Booting => 11,
        Condition.DriverOrAgentMissing => 12,
        Condition.AgentSilent => 13,
        Condition.Busy => 14,
        Condition.Frozen => 15,
        Condition.Paused => 16,
        Condition.RateLimited => 17,
        Condition.Stopping => 18,
        Condition.Dead => 19,
        Condition.InUse => 20,
        _ => Failed,
    };
}
