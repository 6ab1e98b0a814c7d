using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
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
    private readonly FrontEndServer _server;
    private readonly DeviceDelegation _delegation;
    private UnixListener? _listener;
    private HybridServer? _hybrid;
    private Task _serving = Task.CompletedTask;
    private int _faults;
    private string? _lastFault;

    /// <summary>Makes a device. Nothing is opened before <see cref="Start"/> or the first use of an endpoint.</summary>
    /// <param name="options">What it is.</param>
    /// <exception cref="ChannelException">A value out of its range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public VsockDevice(VsockDeviceOptions options) : this(options, null)
    {
    }

    private VsockDevice(VsockDeviceOptions options, DescriptorStore? store)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _place = new UnixSocketAddress(Scheme, options.SocketPath, "make the directory that the socket shall be in");
        _core = new DeviceCore(
            options.GuestCid,
            VsockLimits.Default with { Connections = options.MaxConnections, BufferBytes = (uint)options.BufferBytes },
            IoReactor.Shared);
        _server = new FrontEndServer(_core, options, store is null ? null : new FrontEndStore(store), TellFault);
        _delegation = new DeviceDelegation(this);
    }

    /// <summary>Path of the Unix socket that QEMU connects to.</summary>
    public string SocketPath => _options.SocketPath;

    /// <summary>How it is now. Of a device that the worker of an instance serves it tells nothing: the instance's events do.</summary>
    public VsockDeviceStatus Status
    {
        get
        {
            var (connections, violations) = _core.Counters;
            var isRunning = _core.IsRunning;
            lock (_gate)
            {
                return new VsockDeviceStatus(_server.HasFrontEnd, isRunning, connections, violations, _faults, _lastFault);
            }
        }
    }

    /// <summary>
    /// The endpoint of a device whose socket another process has made, in the process that serves it. The device ends with this process, and what its
    /// front-end has given is left for the next one.
    /// </summary>
    /// <param name="socket">The listening socket, which is the endpoint's from now on.</param>
    /// <param name="description">What <see cref="IDelegatedEndpoint.Listen"/> gave with it.</param>
    /// <param name="store">What a process before has left, and where this one leaves it.</param>
    /// <exception cref="ChannelException">A value out of its range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public static IListeningEndpoint Inherit(SafeFd socket, ReadOnlySpan<byte> description, DescriptorStore store)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(store);
        var device = new VsockDevice(DeviceDescription.Read(description, out var port), store);
        device._listener = UnixListener.Of(device._place, socket);
        return new VsockDeviceListener(device, port, ownsDevice: false);
    }

    /// <summary>Gets what a device needs that a process cannot get any more once it is confined.</summary>
    /// <returns>0, or the errno.</returns>
    public static int Prepare() => EventSignal.Prepare();

    /// <summary>
    /// Makes the socket that QEMU connects to, and serves nothing yet: <see cref="Start"/> does, or the first use of an endpoint, or the worker of an
    /// instance. Until then QEMU waits. Nothing happens if it is there.
    /// </summary>
    /// <exception cref="ChannelException">The socket cannot be made (<see cref="ChannelError.EndpointMissing"/> to <see cref="ChannelError.TransportFailed"/>).</exception>
    public void Bind()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            _listener ??= UnixListener.Start(_place);
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

            _delegation.ServeHere();
            Bind();
            StartHybrid();
            // It may have ended by an error of the socket, which was told.
            if (_serving.IsCompleted)
            {
                _serving = _server.ServeAsync(_listener!, _stopping.Token);
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
        _delegation.Dispose();
        _core.Dispose();
        _stopping.Dispose();
    }

    internal bool TakesAnySourcePort => _options.AnySourcePort;

    internal DeviceDelegation Delegation => _delegation;

    internal long MaxMemory => _options.MaxMemory;

    internal PeerIdentity PeerOf(uint port) => new(Scheme, TargetOf(port));

    /// <summary>Gives the socket to another process, which serves one endpoint.</summary>
    internal DelegatedSocket Delegate(VsockDeviceListener endpoint, uint port)
    {
        if (_options.HybridPath is not null)
        {
            throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
                $"{endpoint.Uri} has a hybrid socket, which the worker of an instance cannot serve; leave hybrid= out, or read its bytes in process");
        }

        _delegation.Give(endpoint);
        Bind();
        return new DelegatedSocket(_listener!.Socket, DeviceDescription.Write(_options, port));
    }

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

    private VsockDeviceLink NewLink(uint port) => new(_core, IoReactor.Shared, PeerOf(port));

    private string TargetOf(uint port) => $"{_options.SocketPath}?cid={_options.GuestCid}&port={port}";

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
