using ChannelSdk.Protocol;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Gives the connections that the guest makes to one port of the host, one after another.</summary>
/// <param name="device">The device.</param>
/// <param name="port">The port.</param>
/// <param name="ownsDevice">Whether the device ends with this endpoint.</param>
internal sealed class VsockDeviceListener(VsockDevice device, uint port, bool ownsDevice) : ITransportEndpoint, IVsockAcceptor
{
    /// <summary>Connections that wait to be taken; more are refused.</summary>
    private const int Backlog = 16;

    private readonly Lock _gate = new();
    private readonly Queue<VsockDeviceLink> _waiting = new();
    private TaskCompletionSource<VsockDeviceLink>? _taker;
    private string? _fault;
    private bool _isListening;
    private bool _isDisposed;

    public string Uri => device.UriOf(port);

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        device.Start();
        Listen();
        TaskCompletionSource<VsockDeviceLink> taker;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_taker is { Task.IsCompleted: false })
            {
                throw new InvalidOperationException($"{Uri} is being opened already.");
            }
            if (_fault is { } fault)
            {
                _fault = null;
                throw Fault(fault);
            }
            while (_waiting.TryDequeue(out VsockDeviceLink? link))
            {
                if (!link.IsDead)
                {
                    return link;
                }
            }
            _taker = taker = new TaskCompletionSource<VsockDeviceLink>(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((TaskCompletionSource<VsockDeviceLink>)state!).TrySetCanceled(token), taker);
        return await taker.Task.ConfigureAwait(false);
    }

    public IVsockUser? Accept(VsockConnection connection)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return null;
            }
            VsockDeviceLink link = device.NewLink(connection, port);
            // A taker that was cancelled in this moment refuses it.
            if (_taker?.TrySetResult(link) == true)
            {
                _taker = null;
                return link;
            }
            while (_waiting.TryPeek(out VsockDeviceLink? oldest) && oldest.IsDead)
            {
                _waiting.Dequeue();
            }
            if (_waiting.Count >= Backlog)
            {
                return null;
            }
            _waiting.Enqueue(link);
            return link;
        }
    }

    /// <summary>The device ended by a fault of the guest or front-end; told to whoever opens.</summary>
    internal void OnFault(string fault)
    {
        lock (_gate)
        {
            if (_taker?.TrySetException(Fault(fault)) != true)
            {
                _fault = fault;
            }
            _taker = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        VsockDeviceLink[] left;
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }
            _isDisposed = true;
            _taker?.TrySetException(new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused,
                $"Accepting on {Uri} ended: the endpoint was disposed of."));
            _taker = null;
            left = [.. _waiting];
            _waiting.Clear();
        }
        device.Unlisten(port, this);
        foreach (VsockDeviceLink link in left)
        {
            link.Abort();
        }
        if (ownsDevice)
        {
            await device.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Listen()
    {
        if (!_isListening)
        {
            device.Listen(port, this);
            _isListening = true;
        }
    }

    private ChannelException Fault(string what) => new(ChannelError.TransportFailed, ErrorClass.Retry,
        $"The device of {Uri} was ended because of {what}. It serves the next front-end that connects; restart the virtual machine.");
}
