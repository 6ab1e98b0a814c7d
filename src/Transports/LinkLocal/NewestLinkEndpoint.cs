using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// Gives the connections of one guest. Its newest one counts: a guest that was killed or restored leaves connections that
/// nobody ends, and only it can connect here, so it harms nobody but itself by connecting again.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="peer">Who connects, by construction.</param>
/// <param name="open">Makes the source of connected sockets; called by the first open.</param>
internal sealed class NewestLinkEndpoint(string uri, PeerIdentity peer, Func<ISocketSource> open) : ITransportEndpoint
{
    /// <summary>The kernel keeps what comes faster; a guest that connects in a loop costs this much at most.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    private readonly LinkQueue<SocketLink> _links = new(uri, static link => link.IsClosed);
    private readonly CancellationTokenSource _stopping = new();
    private ISocketSource? _source;
    private SocketLink? _newest;
    private Task _accepting = Task.CompletedTask;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        cancellationToken.ThrowIfCancellationRequested();
        _source ??= open();
        if (_accepting.IsCompleted)
        {
            _accepting = AcceptAsync(_source);
        }
        return await _links.TakeAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }
        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (SocketLink link in _links.End(new ChannelException(
            ChannelError.TransportFailed, ErrorClass.Refused, $"Accepting on {uri} ended: the endpoint was disposed of.")))
        {
            link.Abort();
        }
        await _accepting.ConfigureAwait(false);
        _source?.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync(ISocketSource source)
    {
        try
        {
            while (true)
            {
                SafeFd fd = await source.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                TcpAddress.Tune(fd);
                SocketLink link = SocketLink.Attach(fd, peer, endsBothWays: true);
                Interlocked.Exchange(ref _newest, link)?.Abort();
                if (!_links.Offer(link))
                {
                    link.Abort();
                }
                await Task.Delay(s_pause, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
        catch (ChannelException error)
        {
            _links.Fail(error);
        }
    }
}

/// <summary>Where connected sockets of one guest come from.</summary>
internal interface ISocketSource : IDisposable
{
    /// <summary>The next one, non-blocking.</summary>
    ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken);
}
