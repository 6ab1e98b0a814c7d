using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Exit codes of the scripts' tool.</summary>
public static class ScriptExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Wrong arguments, or a value out of range.</summary>
    public const int Usage = 2;

    /// <summary>There is no operation: CHANNELSDK_HALF is not set, or no program listens there.</summary>
    public const int NotReached = 3;

    /// <summary>Not possible now, for instance a barrier that was used.</summary>
    public const int Refused = 4;

    /// <summary>Failed in another way.</summary>
    public const int Failed = 5;

    /// <summary>The other half has ended, or there is none.</summary>
    public const int PeerEnded = 6;

    /// <summary>The timeout came first.</summary>
    public const int TimedOut = 7;

    /// <summary>There is no parameter of this name.</summary>
    public const int NoParameter = 8;

    /// <summary>The exit code of an error.</summary>
    public static int Of(ChannelError error) => error switch
    {
        ChannelError.InvalidArgument or ChannelError.BadConfiguration or ChannelError.MessageTooLarge => Usage,
        ChannelError.EndpointMissing or ChannelError.EndpointDenied or ChannelError.BadEndpointUri => NotReached,
        ChannelError.FailedPrecondition or ChannelError.ResourceExhausted => Refused,
        ChannelError.PeerEnded => PeerEnded,
        ChannelError.DeadlineExceeded => TimedOut,
        ChannelError.NotFound => NoParameter,
        _ => Failed,
    };
}
