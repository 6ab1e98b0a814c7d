using ChannelSdk.HostEndpoint.Install;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool;

/// <summary>What the tool's exit says; documented in its help.</summary>
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
    public const int Stopped = 130;

    public static int Of(InstallOutcome outcome) => outcome switch
    {
        InstallOutcome.Succeeded => Ok,
        InstallOutcome.TimedOut => TimedOut,
        InstallOutcome.Cancelled => Stopped,
        _ => Failed,
    };

    public static int Of(ChannelException error) => error switch
    {
        { Place: ErrorPlace.Configuration } or { Code: ChannelError.BadEndpointUri } => Usage,
        { Place: ErrorPlace.Transport } => CannotReach,
        { Code: ChannelError.PermissionDenied or ChannelError.FailedPrecondition or ChannelError.UnknownMethod } => Refused,
        { Class: ErrorClass.Refused } => Refused,
        _ => Failed,
    };
}
