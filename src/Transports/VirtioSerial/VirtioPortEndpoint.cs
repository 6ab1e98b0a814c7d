using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>The guest side of virtio-serial: opens the port's device once and gives a link for each host that comes.</summary>
internal sealed class VirtioPortEndpoint(string uri, string target, VirtioPortLocator locator) : ITransportEndpoint
{
    internal const string Scheme = "virtio-port";

    private readonly Lock _gate = new();
    private VirtioPort? _port;
    private bool _disposed;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var port = OpenedPort();
        if (!await port.WaitForHostAsync(cancellationToken).ConfigureAwait(false))
        {
            port.IsUnplugged = true;
            throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"the port of {uri} ({port.Path}) was unplugged; it is opened again when it is back");
        }

        var link = new VirtioPortLink(port, new PeerIdentity(Scheme, target));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            port.Link = link;
        }

        return link;
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
            _port?.Dispose();
            _port = null;
        }

        return ValueTask.CompletedTask;
    }

    private VirtioPort OpenedPort()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_port is { IsUnplugged: true } gone)
            {
                _port = null;
                gone.Dispose();
            }

            if (_port is { Link: { IsClosed: false } })
            {
                throw new InvalidOperationException("the link before must be disposed of first");
            }

            return _port ??= VirtioPort.Open(uri, locator.Locate(target));
        }
    }
}
