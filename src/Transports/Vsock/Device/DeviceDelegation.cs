using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Which endpoint of a device another process serves, and where each such process leaves its front-end for the next one.</summary>
/// <param name="device">The device.</param>
internal sealed class DeviceDelegation(VsockDevice device) : IDisposable
{
    private readonly Lock _gate = new();
    private DescriptorStore? _store;
    private VsockDeviceListener? _endpoint;
    private bool _isServedHere;

    /// <summary>Where front-ends are kept.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.ResourceExhausted"/>: no descriptors are left.</exception>
    internal DescriptorStore Store
    {
        get
        {
            lock (_gate)
            {
                return _store ??= DescriptorStore.Create(new ForeignCloser())
                    ?? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"no descriptors are left for the vsock device at {device.SocketPath}; raise the limit of this program's descriptors");
            }
        }
    }

    /// <summary>Before this process serves the device.</summary>
    /// <exception cref="ChannelException">Another one does (<see cref="ChannelError.EndpointBusy"/>).</exception>
    internal void ServeHere()
    {
        lock (_gate)
        {
            _isServedHere = _endpoint is null ? true : throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused,
                $"the vsock device at {device.SocketPath} is served by the worker of an instance; use another device");
        }
    }

    /// <summary>Before another process serves the device for an endpoint, which then is the only one.</summary>
    /// <exception cref="ChannelException">This process does, or the endpoint is not the first (<see cref="ChannelError.EndpointBusy"/>).</exception>
    internal void Give(VsockDeviceListener endpoint)
    {
        lock (_gate)
        {
            if (_isServedHere || (_endpoint is { } other && other != endpoint))
            {
                throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused,
                    $"{endpoint.Uri} cannot be served by the worker of an instance: {(_isServedHere ? "this process serves the device; only bind it before" : "the worker of another instance serves the device; use another device")}");
            }

            _endpoint = endpoint;
        }
    }

    /// <summary>The endpoint has ended.</summary>
    internal void TakeBack(VsockDeviceListener endpoint)
    {
        lock (_gate)
        {
            _endpoint = _endpoint == endpoint ? null : _endpoint;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _store?.Dispose();
        }
    }
}
