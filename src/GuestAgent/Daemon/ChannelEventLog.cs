using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>Writes a channel's events to the log. An endpoint that keeps failing in the same way is said once.</summary>
internal static class ChannelEventLog
{
    /// <summary>Runs until the token fires or the channel is disposed of.</summary>
    public static async Task RunAsync(Channel channel, AgentLog log, CancellationToken cancellationToken)
    {
        string lastFailure = "";
        try
        {
            await foreach (ChannelEvent happened in channel.WatchAsync(cancellationToken).ConfigureAwait(false))
            {
                switch (happened.Kind)
                {
                    case ChannelEventKind.EndpointFailed when happened.Text != lastFailure:
                        lastFailure = happened.Text;
                        log.Warning($"{happened.Text}; trying again");
                        break;
                    case ChannelEventKind.LinkUp:
                        lastFailure = "";
                        log.Info($"link up {happened.Text}");
                        break;
                    case ChannelEventKind.LinkLost:
                        log.Info($"link lost: {happened.Text}");
                        break;
                    case ChannelEventKind.SessionStarted:
                        log.Info($"session started {happened.Text}");
                        break;
                    case ChannelEventKind.SessionResumed:
                        log.Info($"session resumed {happened.Text}");
                        break;
                    case ChannelEventKind.SessionLost:
                        log.Warning($"session lost: {happened.Text}");
                        break;
                    default:
                        log.Debug($"host state: {happened.Text}");
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
