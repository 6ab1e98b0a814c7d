using ChannelSdk.Channels;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The bounds and times of the agent's channels.</summary>
internal static class GuestOptions
{
    // So many messages may be under way in each class that the largest, all at once, stay below the heap's hard limit.
    private const int MaxMessage = 256 << 10;

    // The copies and programs that may run at a time, and a measurement or two.
    private const int MaxBulkStreams = 20;

    /// <summary>
    /// For the control socket: one short call at a time, one command after the other. Commands come and go, so the way
    /// to the next one stays short.
    /// </summary>
    public static ChannelOptions Local { get; } = ChannelOptions.ForGuest with
    {
        RetryMin = TimeSpan.FromMilliseconds(5),
        RetryMax = TimeSpan.FromMilliseconds(100),
        MaxMessage = 64 << 10,
        Session = ChannelOptions.ForGuest.Session with { MaxStreams = new(2, 2, 2), ResumeTimeout = TimeSpan.FromSeconds(1) },
    };

    /// <summary>For the channel to the host.</summary>
    /// <param name="config">The times.</param>
    /// <param name="guard">Asked at each call.</param>
    public static ChannelOptions For(AgentConfig config, ICallGuard guard) => ChannelOptions.ForGuest with
    {
        Guard = guard,
        MaxMessage = MaxMessage,
        Session = ChannelOptions.ForGuest.Session with { MaxStreams = new(16, 64, MaxBulkStreams), HeartbeatInterval = config.HeartbeatInterval },
    };
}
