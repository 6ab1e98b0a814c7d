using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// A virtio vsock device of one guest, in this process: QEMU connects to its Unix socket by the vhost-user protocol and
/// shares the guest's memory. Needs no kernel vsock, no privilege and no CID that is unique on the host.
/// </summary>
/// <remarks>
/// QEMU: <c>-object memory-backend-memfd,id=mem,size=256M,share=on -M pc,memory-backend=mem
/// -chardev socket,id=vsock0,path=PATH -device vhost-user-vsock-pci,chardev=vsock0</c>, started after the device.
/// One front-end is served at a time; the next waits until it has gone.
/// </remarks>
public sealed class VsockDevice : IAsyncDisposable
{
    /// <summary>The URI scheme.</summary>
    public const string Scheme = "vhost-vsock";

    private readonly VsockDeviceOptions _options;
    private readonly UnixSocketAddress _place;
    private readonly DeviceCore _core;
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, VsockDeviceListener> _listeners = [];
    private readonly CancellationTokenSource _stopping = new();
    private UnixListener? _listener;
    private HybridServer? _hybrid;
    private FrontEnd? _frontEnd;
    private Task _serving = Task.CompletedTask;
    private int _faults;
    private string? _lastFault;

    /// <summary>Makes a device. Nothing is opened before <see cref="Start"/> or the first use of an endpoint.</summary>
    /// <param name="options">What it is.</param>
    /// <exception cref="ChannelException">A value out of its range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public VsockDevice(VsockDeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _place = new UnixSocketAddress(Scheme, options.SocketPath, "make the directory that the socket shall be in");
        _core = new DeviceCore(
            options.GuestCid,
            VsockLimits.Default with { Connections = options.MaxConnections, BufferBytes = (uint)options.BufferBytes },
            IoReactor.Shared);
    }

    /// <summary>Path of the Unix socket that QEMU connects to.</summary>
    public string SocketPath => _options.SocketPath;

    /// <summary>How it is now.</summary>
    public VsockDeviceStatus Status
    {
        get
        {
            var (connections, violations) = _core.Counters;
            var isRunning = _core.IsRunning;
            lock (_gate)
            {
                return new VsockDeviceStatus(_frontEnd is not null, isRunning, connections, violations, _faults, _lastFault);
            }
        }
    }

    /// <summary>Makes the socket and serves QEMU on it. Nothing happens if it does already.</summary>
    /// <exception cref="ChannelException">The socket cannot be made (<see cref="ChannelError.EndpointMissing"/> to <see cref="ChannelError.TransportFailed"/>).</exception>
    public void Start()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            if (EventSignal.Prepare() is not 0 and var error)
            {
                throw EndpointFault.ToException(error, "set asynchronous I/O up for the interrupts of", _place.Uri,
                    "raise fs.aio-max-nr, and let the sandbox of this program allow io_setup and io_submit");
            }

            _listener ??= UnixListener.Start(_place);
            StartHybrid();
            // It may have ended by an error of the socket, which was told.
            if (_serving.IsCompleted)
            {
                _serving = ServeAsync(_listener);
            }
        }
    }

    /// <summary>For its endpoints, whose caller learns of a device that has ended as of any other transport's end.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: the device was disposed of, or its socket cannot be made.</exception>
    internal void StartFor(string uri)
    {
        try
        {
            Start();
        }
        catch (ObjectDisposedException e)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"opening {uri} ended: its device was disposed of", e);
        }
    }

    /// <summary>An endpoint for the connections that the guest makes to a port of the host (CID 2).</summary>
    /// <param name="port">The port. One endpoint a port; the first OpenAsync of a second one fails (EndpointBusy).</param>
    public ITransportEndpoint Listen(uint port) => new VsockDeviceListener(this, port, ownsDevice: false);

    /// <summary>An endpoint that dials a port in the guest.</summary>
    /// <param name="port">The port that a program in the guest listens on.</param>
    public ITransportEndpoint Dial(uint port) => new VsockDeviceDialer(this, port);

    /// <summary>Ends the device and every connection over it.</summary>
    public async ValueTask DisposeAsync()
    {
        Task serving;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                return;
            }

            _stopping.Cancel();
            serving = _serving;
        }

        await serving.ConfigureAwait(false);
        if (_hybrid is { } hybrid)
        {
            await hybrid.DisposeAsync().ConfigureAwait(false);
        }

        _listener?.Dispose();
        _core.Dispose();
        _stopping.Dispose();
    }

    internal bool TakesAnySourcePort => _options.AnySourcePort;

    internal string UriOf(uint port) => $"{Scheme}://{TargetOf(port)}";

    internal void Listen(uint port, VsockDeviceListener listener)
    {
        var isFree = _core.WithRouter(router => router.Listen(port, listener));
        if (!isFree)
        {
            throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused,
                $"cannot listen on {UriOf(port)}: another endpoint of this device does; use another port");
        }

        lock (_gate)
        {
            _listeners[port] = listener;
        }
    }

    internal void Unlisten(uint port, VsockDeviceListener listener)
    {
        lock (_gate)
        {
            if (_listeners.GetValueOrDefault(port) != listener)
            {
                return;
            }

            _listeners.Remove(port);
        }

        _core.WithRouter(router =>
        {
            router.Unlisten(port);
            return true;
        });
    }

    internal VsockDeviceLink NewLink(VsockConnection connection, uint port)
    {
        var link = NewLink(port);
        link.Bind(connection);
        return link;
    }

    /// <summary>Asks the guest for a connection.</summary>
    internal VsockDeviceLink Connect(uint port)
    {
        if (!_core.IsRunning)
        {
            throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"cannot dial {UriOf(port)}: no guest with a running vsock driver is connected to {_options.SocketPath}");
        }

        var link = NewLink(port);
        var isRoom = _core.WithRouter(router =>
        {
            if (router.Connect(port, link) is not { } connection)
            {
                return false;
            }

            link.Bind(connection);
            return true;
        });
        return isRoom ? link : throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Retry,
            $"cannot dial {UriOf(port)}: the device has {_options.MaxConnections} connections, as many as it may");
    }

    private void StartHybrid()
    {
        if (_options.HybridPath is { } path && _hybrid is null)
        {
            var hybrid = new HybridServer(this, path);
            hybrid.Start();
            _hybrid = hybrid;
            _core.WithRouter(router => router.AnyPort = hybrid);
        }
    }

    private VsockDeviceLink NewLink(uint port) => new(_core, IoReactor.Shared, new PeerIdentity(Scheme, TargetOf(port)));

    private string TargetOf(uint port) => $"{_options.SocketPath}?cid={_options.GuestCid}&port={port}";

    private async Task ServeAsync(UnixListener listener)
    {
        try
        {
            while (true)
            {
                var fd = await listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                try
                {
                    await ServeAsync(fd).ConfigureAwait(false);
                }
                catch (ChannelException error)
                {
                    fd.Dispose();
                    TellFault(error.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }
        catch (ChannelException error)
        {
            TellFault(error.Message);
        }
    }

    private async Task ServeAsync(ForeignFd fd)
    {
        var frontEnd = FrontEnd.Attach(_core, fd, IoReactor.Shared, _options);
        lock (_gate)
        {
            _frontEnd = frontEnd;
        }

        string? fault;
        using (_stopping.Token.UnsafeRegister(static state => ((FrontEnd)state!).Close(null), frontEnd))
        {
            fault = await frontEnd.Ended.ConfigureAwait(false);
        }

        lock (_gate)
        {
            _frontEnd = null;
        }

        if (fault is not null)
        {
            TellFault(fault);
        }
    }

    private void TellFault(string fault)
    {
        VsockDeviceListener[] listeners;
        lock (_gate)
        {
            _faults++;
            _lastFault = fault;
            listeners = [.. _listeners.Values];
        }

        foreach (var listener in listeners)
        {
            listener.OnFault(fault);
        }
    }
}
