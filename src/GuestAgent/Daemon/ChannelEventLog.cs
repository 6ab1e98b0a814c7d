using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>Writes a channel's events to the log.</summary>
internal static class ChannelEventLog
{
    /// <summary>Runs until the token fires or the channel is disposed of.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="log">The log.</param>
    /// <param name="onStale">The session has gone on elsewhere: this guest may be a copy.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(Channel channel, AgentLog log, Action onStale, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var happened in channel.WatchAsync(cancellationToken).ConfigureAwait(false))
            {
                if (happened.Error == ChannelError.StaleSession)
                {
                    onStale();
                }

                switch (happened.Kind)
                {
                    case ChannelEventKind.EndpointFailed:
                        log.Warning($"{happened.Text}; trying again");
                        break;
                    case ChannelEventKind.LinkUp:
                        log.Info(happened.Text);
                        break;
                    case ChannelEventKind.LinkLost:
                        log.Info($"link lost: {happened.Text}");
                        break;
                    case ChannelEventKind.SessionStarted:
                        log.Info($"{happened.Text} started");
                        break;
                    case ChannelEventKind.SessionResumed:
                        log.Info($"{happened.Text} resumed");
                        break;
                    case ChannelEventKind.SessionLost when happened.Error == ChannelError.SessionClosed:
                        log.Info($"session ended: {happened.Text}");
                        break;
                    case ChannelEventKind.SessionLost:
                        log.Warning($"session lost: {happened.Text}");
                        break;
                    case ChannelEventKind.Dropped:
                        log.Warning(happened.Text);
                        break;
                    default:
                        log.Debug(happened.Text);
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
