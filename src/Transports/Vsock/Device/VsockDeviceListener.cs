using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Gives the connections that the guest makes to one port of the host, one after another.</summary>
/// <param name="device">The device.</param>
/// <param name="port">The port.</param>
/// <param name="ownsDevice">Whether the device ends with this endpoint.</param>
internal sealed class VsockDeviceListener(VsockDevice device, uint port, bool ownsDevice) : IDelegatedEndpoint, IVsockAcceptor
{
    private readonly LinkQueue<VsockDeviceLink> _links = new(device.UriOf(port), static link => link.IsDead);
    private bool _isListening;
    private bool _hasRefused;
    private bool _isDisposed;

    public string Uri => device.UriOf(port);

    public bool HasCandidates => true;

    public PeerIdentity Peer => device.PeerOf(port);

    public long SharedMemory => device.MaxMemory;

    public DescriptorStore Store => device.Delegation.Store;

    public DelegatedSocket Listen()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return device.Delegate(this, port);
    }

    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<ITransportLink>(cancellationToken)
            : OpenOneAsync(cancellationToken);
    }

    public IVsockUser? Accept(VsockConnection connection)
    {
        if (connection.GuestPort >= ReservedPort.End && !device.TakesAnySourcePort)
        {
            if (!_hasRefused)
            {
                _hasRefused = true;
                _links.Fail(new ChannelException(ChannelError.EndpointDenied, ErrorClass.Retry,
                    $"{Uri} refused a connection: {ReservedPort.Refusal(connection.GuestPort)}"));
            }

            return null;
        }

        var link = device.NewLink(connection, port);
        return _links.Offer(link) ? link : null;
    }

    /// <summary>The device ended by a fault of the guest or front-end; the next open fails with it.</summary>
    internal void OnFault(string fault) => _links.Fail(new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry,
        $"the device of {Uri} was ended because of {fault}; it serves the next front-end that connects; restart the virtual machine"));

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        var left = _links.End(new ChannelException(
            ChannelError.TransportFailed, ErrorClass.Refused, $"accepting on {Uri} ended: the endpoint was disposed of"));
        device.Unlisten(port, this);
        device.Delegation.TakeBack(this);
        foreach (var link in left)
        {
            link.Abort();
        }

        if (ownsDevice)
        {
            await device.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask<ITransportLink> OpenOneAsync(CancellationToken cancellationToken)
    {
        if (!_isListening)
        {
            device.Listen(port, this);
            _isListening = true;
        }

        // Then what the start of the device finds wrong is told here, and no connection finds the port closed.
        device.StartFor(Uri);

        return await _links.AcceptAsync(cancellationToken).ConfigureAwait(false);
    }
}
