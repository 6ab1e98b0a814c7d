using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>
/// Listens on a Unix socket and gives one connection after another. The socket is made by the first
/// <see cref="OpenAsync"/> and removed with the endpoint.
/// </summary>
internal sealed class UnixListenEndpoint(UnixSocketAddress place, bool hasCandidates = true) : IListeningEndpoint
{
    private readonly Lock _gate = new();
    private UnixListener? _listener;
    private bool _disposed;

    public string Uri => place.Uri;

    public bool HasCandidates => hasCandidates;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SafeFd fd = await Listener().AcceptAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return SocketLink.Attach(fd, place.IdentifyPeer(fd));
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
            _listener?.Dispose();
            _listener = null;
        }

        return ValueTask.CompletedTask;
    }

    private UnixListener Listener()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _listener ??= UnixListener.Start(place);
        }
    }
}
