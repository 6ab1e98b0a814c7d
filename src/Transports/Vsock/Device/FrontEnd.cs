using System.Runtime.InteropServices;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// One connection of a front-end (QEMU), from its begin to its end. Its messages are taken on the reactor's thread.
/// </summary>
internal sealed class FrontEnd : IReactorClient, IReactorWork, IDisposable
{
    /// <summary>Messages in one turn; a front-end needs about 30 for a whole set-up.</summary>
    private const int TurnMessages = 64;

    private readonly DeviceCore _core;
    private readonly FrontEndSocket _socket;
    private readonly IoReactor _reactor;
    private readonly FrontEndSetUp _setUp;
    private readonly FrontEndStore? _store;
    private readonly TaskCompletionSource<string?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private ulong _token;
    private volatile string? _fault;
    private bool _isClosed;

    private FrontEnd(DeviceCore core, ForeignFd fd, IoReactor reactor, VsockDeviceOptions options, FrontEndStore? store)
    {
        (_core, _socket, _reactor, _store) = (core, new FrontEndSocket(fd), reactor, store);
        _setUp = new FrontEndSetUp(core, _socket, reactor, options, keepsFiles: store is not null);
        core.OnFault = OnFault;
    }

    /// <summary>Ends when the front-end has gone: null, or what it or its guest did that ended the device.</summary>
    internal Task<string?> Ended => _ended.Task;

    /// <summary>Takes over a connected, non-blocking socket.</summary>
    /// <param name="core">The device.</param>
    /// <param name="fd">The socket.</param>
    /// <param name="reactor">Waits for it.</param>
    /// <param name="options">What the device is.</param>
    /// <param name="store">Keeps the front-end for a next process; null if there is none.</param>
    internal static FrontEnd Attach(DeviceCore core, ForeignFd fd, IoReactor reactor, VsockDeviceOptions options, FrontEndStore? store)
    {
        var frontEnd = new FrontEnd(core, fd, reactor, options, store);
        frontEnd.Begin();
        return frontEnd;
    }

    /// <summary>Goes on with the front-end of a process before; null if that has left none.</summary>
    /// <param name="core">The device.</param>
    /// <param name="closer">Closes what the front-end has given.</param>
    /// <param name="reactor">Waits for it.</param>
    /// <param name="options">What the device is.</param>
    /// <param name="store">Where it is kept.</param>
    internal static FrontEnd? Restore(DeviceCore core, ForeignCloser closer, IoReactor reactor, VsockDeviceOptions options, FrontEndStore store)
    {
        var files = new List<SafeFd>();
        if (store.Take(closer, files) is not { } record)
        {
            return null;
        }

        var frontEnd = new FrontEnd(core, (ForeignFd)files[0], reactor, options, store);
        frontEnd.Restore(record, new Queue<SafeFd>(files.Skip(1)));
        return frontEnd;
    }

    public void OnEvents(uint events) => OnReady();

    public void OnReady()
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            if (_fault is { } fault)
            {
                Close(fault);
                return;
            }

            try
            {
                _store?.Begin();
                for (var messages = 0; messages < TurnMessages; messages++)
                {
                    switch (_socket.TryRead())
                    {
                        case null:
                            Close(null);
                            return;
                        case false:
                            Keep();
                            return;
                        default:
                            _setUp.Handle();
                            _socket.Next();
                            CheckCloser();
                            break;
                    }
                }

                Keep();
                _reactor.Schedule(this);
            }
            catch (Exception error) when (error is DeviceFaultException or ChannelException)
            {
                Close(error.Message);
            }
        }
    }

    /// <summary>The guest broke its rings. Under the core's lock, so the end comes in its own turn.</summary>
    internal void OnFault(string fault)
    {
        _fault = fault;
        _reactor.Schedule(this);
    }

    /// <summary>Ends the device: connections, rings, memory, socket. From any thread, more than once.</summary>
    /// <param name="fault">What was wrong, null for nothing.</param>
    internal void Close(string? fault)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            _core.Clear();
            _reactor.Unregister(_socket.Fd, _token);
            _setUp.Dispose();
            _store?.Clear();
            _socket.Dispose();
            _ended.SetResult(fault);
        }
    }

    public void Dispose() => Close(null);

    private void Begin()
    {
        lock (_gate)
        {
            Keep();
            _token = _reactor.Register(_socket.Fd, Abi.EPOLLIN | Abi.EPOLLRDHUP, this);
        }
    }

    private void Restore(FrontEndRecord record, Queue<SafeFd> files)
    {
        lock (_gate)
        {
            try
            {
                _setUp.Restore(record, files);
                Begin();
            }
            catch (Exception error) when (error is DeviceFaultException or ChannelException)
            {
                Close(error.Message);
            }

            foreach (var file in files)
            {
                file.Dispose();
            }
        }
    }

    /// <summary>All that was read has been done; a message that has come in part may lack its descriptors in the next process.</summary>
    private void Keep()
    {
        if (!_socket.IsWithinMessage)
        {
            _store?.Keep(_setUp.Record, CollectionsMarshal.AsSpan(_setUp.Files));
        }
    }

    private void CheckCloser()
    {
        if (_socket.Closer.IsFull)
        {
            throw new DeviceFaultException($"{ForeignCloser.Room} descriptors of it whose closing does not end");
        }
    }
}
