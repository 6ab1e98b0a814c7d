using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.Vsock.Hybrid;

/// <summary>Dials a port in a guest through the hybrid socket of its virtual machine monitor.</summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="place">The monitor's socket.</param>
/// <param name="port">The guest's port.</param>
internal sealed class HybridDialEndpoint(string uri, UnixSocketAddress place, uint port) : ITransportEndpoint
{
    internal const string Scheme = "vsock-hybrid";

    private readonly ForeignCloser _closer = new();
    private bool _disposed;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var link = Dial(place, new PeerIdentity(Scheme, $"{place.Path}?port={port}"), _closer);
        try
        {
            var answer = await HybridHandshake.LimitAsync(link, AskAsync(link), cancellationToken).ConfigureAwait(false);
            if (answer is null)
            {
                // The monitor gives no reason: too early, no driver, no listener and too many all look like this.
                throw HybridHandshake.Missing(uri,
                    $"it was closed without an answer; see whether the guest's vsock driver is loaded and a program listens on port {port} in it");
            }

            return link;
        }
        catch (Exception error)
        {
            link.Abort();
            throw error switch
            {
                TimeoutException => HybridHandshake.Missing(uri,
                    $"no answer came in {HybridHandshake.Timeout.TotalSeconds} s; see whether the guest runs, as it does not while it boots or is paused"),
                FormatException => new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused,
                    $"cannot dial {uri}: it answered with {error.Message}; see whether it is the vsock socket of a Firecracker or Cloud Hypervisor", error),
                ChannelException { Code: ChannelError.LinkLost } => HybridHandshake.Missing(uri, "it was closed during the handshake"),
                _ => error,
            };
        }
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }

    /// <summary>Connects to a Unix socket; that never waits.</summary>
    internal static SocketLink Dial(UnixSocketAddress place, PeerIdentity peer, ForeignCloser closer)
    {
        if (closer.IsFull)
        {
            throw place.Full();
        }

        var fd = place.NewSocket(closer);
        var errno = place.Connect(fd);
        if (errno != 0)
        {
            fd.Dispose();
            throw place.Error(errno, "dial");
        }

        return SocketLink.Attach(fd, peer);
    }

    private async Task<uint?> AskAsync(SocketLink link)
    {
        await HybridHandshake.WriteAsync(link, "CONNECT", port).ConfigureAwait(false);
        return await HybridHandshake.ReadAsync(link, "OK").ConfigureAwait(false);
    }
}
