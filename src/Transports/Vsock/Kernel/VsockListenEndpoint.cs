using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>
/// Gives the connections that one CID makes to a port of this machine, or any CID that no other endpoint of the port is
/// for. The endpoints of a port share its socket: the CID, which the kernel tells, chooses the endpoint.
/// </summary>
internal sealed class VsockListenEndpoint : IListeningEndpoint
{
    internal const string Scheme = "vsock-listen";

    private readonly VsockAddress _address;
    private readonly LinkQueue<SocketLink> _links;
    private VsockPort? _port;
    private readonly bool _takesAnyPort;
    private bool _hasRefused;
    private bool _disposed;

    internal VsockListenEndpoint(EndpointUri place)
    {
        var options = new TargetOptions(place, TargetOptions.SourcePorts);
        var uri = place.ToString();
        (Uri, _address, _takesAnyPort) = (uri, VsockAddress.Parse(place, options.Path, takesAny: true), options.TakesAnySourcePort);
        _links = new LinkQueue<SocketLink>(uri, static link => link.IsClosed);
    }

    public string Uri { get; }

    public bool HasCandidates => true;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        _port ??= VsockPort.Join(_address, this);
        _port.Run();
        return await _links.AcceptAsync(cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return ValueTask.CompletedTask;
        }

        _disposed = true;
        _port?.Leave(_address.Cid);
        foreach (var link in _links.End(new ChannelException(
            ChannelError.TransportFailed, ErrorClass.Refused, $"accepting on {Uri} ended: the endpoint was disposed of")))
        {
            link.Abort();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Takes a connection of its CID, or closes it.</summary>
    internal void Accept(SafeFd fd, VsockAddress peer)
    {
        if (peer.Port >= ReservedPort.End && peer.Cid != VsockAddress.HostCid && !_takesAnyPort)
        {
            fd.Dispose();
            if (!_hasRefused)
            {
                _hasRefused = true;
                _links.Fail(new ChannelException(ChannelError.EndpointDenied, ErrorClass.Retry, $"{Uri} refused a connection: {ReservedPort.Refusal(peer.Port)}"));
            }

            return;
        }

        var link = SocketLink.Attach(fd, new PeerIdentity(Scheme, peer.ToString()));
        if (!_links.Offer(link))
        {
            link.Abort();
        }
    }

    internal void Fail(ChannelException error) => _links.Fail(error);
}
