using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Services.Install;

/// <summary>Short calls between programs of one machine: a channel on a Unix socket.</summary>
public static class LocalSocket
{
    /// <summary>
    /// Bounds and times of both ends. Callers come and go, so the way to the next one stays short; and there is nothing that
    /// a lost link could be resumed with.
    /// </summary>
    public static ChannelOptions Options { get; } = ChannelOptions.ForGuest with
    {
        RetryMin = TimeSpan.FromMilliseconds(5),
        RetryMax = TimeSpan.FromMilliseconds(100),
        MaxMessage = 2 * ScriptLimits.MaxMessage,
        Session = ChannelOptions.ForGuest.Session with { WipeMemory = true, MaxStreams = new(2, 2, 2), ResumeTimeout = TimeSpan.FromMilliseconds(100) },
    };

    /// <summary>Connects, does some calls, and disconnects.</summary>
    /// <param name="path">Of the socket.</param>
    /// <param name="calls">The calls.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.EndpointMissing"/> when no program listens, <see cref="ChannelError.EndpointDenied"/>, <see cref="ChannelError.BadEndpointUri"/>, or what <paramref name="calls"/> throws.
    /// </exception>
    public static async Task CallAsync(string path, Func<Channel, CancellationToken, Task> calls, CancellationToken cancellationToken = default)
    {
        var channel = new Channel(PeerRole.Host, TransportEndpoints.Create("unix://" + path), new ServiceRegistry(), Options);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var failure = FailureAsync(channel, done.Token);
        try
        {
            channel.Start();
            var result = calls(channel, done.Token);
            var isFailed = await Task.WhenAny(result, failure).ConfigureAwait(false) == failure;
            if (isFailed && await failure.ConfigureAwait(false) is { } failed)
            {
                _ = result.ContinueWith(static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                throw new ChannelException(failed.Error, ErrorClass.Refused, failed.Text);
            }

            await result.ConfigureAwait(false);
        }
        finally
        {
            await done.CancelAsync().ConfigureAwait(false);
            await channel.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Why the listener cannot be reached; null when that does not matter any more. A full queue of the listener is no failure.</summary>
    private static async Task<ChannelEvent?> FailureAsync(Channel channel, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var happened in channel.WatchAsync(cancellationToken).ConfigureAwait(false))
            {
                if (happened is { Kind: ChannelEventKind.EndpointFailed, Error: ChannelError.EndpointMissing or ChannelError.EndpointDenied or ChannelError.BadEndpointUri })
                {
                    return happened;
                }
            }
        }
        catch (OperationCanceledException)
        {
        }

        return null;
    }
}
