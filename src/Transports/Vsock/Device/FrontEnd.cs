using System.Buffers.Binary;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// One connection of a front-end (QEMU): takes its messages and sets the device up (vhost-user protocol, "Front-end
/// message types"). Everything runs on the reactor's thread but <see cref="Close"/>.
/// </summary>
internal sealed class FrontEnd : IReactorClient, IReactorWork
{
    /// <summary>Messages in one turn; a front-end needs about 30 for a whole set-up.</summary>
    private const int TurnMessages = 64;

    private readonly DeviceCore _core;
    private readonly FrontEndSocket _socket;
    private readonly IoReactor _reactor;
    private readonly VsockDeviceOptions _options;
    private readonly RingSetUp[] _rings;
    private readonly TaskCompletionSource<string?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private ulong _token;
    private ulong _features;
    private volatile string? _fault;
    private bool _isClosed;

    private FrontEnd(DeviceCore core, FrontEndSocket socket, IoReactor reactor, VsockDeviceOptions options)
    {
        (_core, _socket, _reactor, _options) = (core, socket, reactor, options);
        _rings = [new RingSetUp(core, reactor, isTransmit: false), new RingSetUp(core, reactor, isTransmit: true)];
    }

    /// <summary>Ends when the front-end has gone: null, or what it or its guest did that ended the device.</summary>
    internal Task<string?> Ended => _ended.Task;

    /// <summary>Takes over a connected, non-blocking socket.</summary>
    internal static FrontEnd Attach(DeviceCore core, ForeignFd fd, IoReactor reactor, VsockDeviceOptions options)
    {
        var frontEnd = new FrontEnd(core, new FrontEndSocket(fd), reactor, options);
        core.OnFault = frontEnd.OnFault;
        lock (frontEnd._gate)
        {
            frontEnd._token = reactor.Register(fd, Abi.EPOLLIN | Abi.EPOLLRDHUP, frontEnd);
        }

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
                for (var messages = 0; messages < TurnMessages; messages++)
                {
                    switch (_socket.TryRead())
                    {
                        case null:
                            Close(null);
                            return;
                        case false:
                            return;
                        default:
                            Handle();
                            _socket.Next();
                            CheckCloser();
                            break;
                    }
                }

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
            foreach (var ring in _rings)
            {
                ring.Dispose();
            }

            _socket.Dispose();
            _ended.SetResult(fault);
        }
    }

    private void CheckCloser()
    {
        if (_socket.Closer.IsFull)
        {
            throw new DeviceFaultException($"{ForeignCloser.Room} descriptors of it whose closing does not end");
        }
    }

    private void Handle()
    {
        var payload = new VhostUserPayload(_socket.Request, _socket.Payload);
        switch (_socket.Request)
        {
            case VhostUserRequest.GetFeatures:
                ReplyNumber(VhostUser.OfferedFeatures);
                return;
            case VhostUserRequest.GetProtocolFeatures:
                ReplyNumber(VhostUser.OfferedProtocolFeatures);
                return;
            case VhostUserRequest.GetQueueCount:
                ReplyNumber(VhostUser.Queues);
                return;
            case VhostUserRequest.GetConfig:
                ReplyConfig(payload);
                return;
            case VhostUserRequest.GetRingBase:
                ReplyBase(payload);
                return;
            case VhostUserRequest.SetFeatures:
                _features = payload.Features(VhostUser.OfferedFeatures);
                break;
            case VhostUserRequest.SetProtocolFeatures:
                _ = payload.Features(VhostUser.OfferedProtocolFeatures);
                break;
            case VhostUserRequest.SetOwner or VhostUserRequest.ResetOwner or VhostUserRequest.SetRingError or VhostUserRequest.SetConfig:
                // Nothing to do: there is one owner, errors end the socket, and the configuration is read-only.
                break;
            case VhostUserRequest.SetMemoryTable:
                _core.SetMemory(GuestMemory.Map(payload.Regions(), _socket.Files, (ulong)_options.MaxMemory, _socket.Closer));
                break;
            default:
                SetUpRing(_socket.Request, payload);
                break;
        }

        if (_socket.NeedsReply)
        {
            ReplyNumber(0);
        }
    }

    private void SetUpRing(VhostUserRequest request, VhostUserPayload payload)
    {
        var value = payload.Value();
        var ring = _rings[payload.Queue()];
        switch (request)
        {
            case VhostUserRequest.SetRingSize:
                ring.SetSize(value);
                break;
            case VhostUserRequest.SetRingBase:
                ring.SetBase(value);
                break;
            case VhostUserRequest.SetRingAddress:
                ring.SetAddresses(payload.Addresses());
                break;
            case VhostUserRequest.SetRingCall:
                ring.SetCall(File(payload));
                break;
            case VhostUserRequest.SetRingKick:
                ring.SetKick(File(payload) ?? throw new DeviceFaultException("a queue without kick descriptor, which would need polling"));
                break;
            case VhostUserRequest.EnableRing:
                ring.SetEnabled(value != 0);
                break;
            default:
                throw new DeviceFaultException($"vhost-user request {(uint)request}, which was not negotiated");
        }

        ring.StartIfComplete(_features);
    }

    private SafeFd? File(VhostUserPayload payload)
    {
        var none = payload.IsWithoutFile();
        if (_socket.Files.Count != (none ? 0 : 1))
        {
            throw new DeviceFaultException($"a message for a queue with {_socket.Files.Count} descriptors");
        }

        if (none)
        {
            return null;
        }

        var file = _socket.Files[0];
        _socket.Files.Clear();
        return file;
    }

    private void ReplyConfig(VhostUserPayload payload)
    {
        var head = payload.ConfigRange(out var offset, out var size);
        Span<byte> reply = stackalloc byte[head.Length + size];
        reply.Clear();
        head.CopyTo(reply);
        Span<byte> config = stackalloc byte[VhostUser.ConfigSize];
        BinaryPrimitives.WriteUInt64LittleEndian(config, _options.GuestCid);
        ReadOnlySpan<byte> wanted = config[offset..];
        wanted[..Math.Min(size, wanted.Length)].CopyTo(reply[head.Length..]);
        _socket.Reply(reply);
    }

    private void ReplyBase(VhostUserPayload payload)
    {
        Span<byte> reply = stackalloc byte[8];
        payload.QueueBytes().CopyTo(reply);
        BinaryPrimitives.WriteUInt32LittleEndian(reply[4..], _rings[payload.Queue()].Stop());
        _socket.Reply(reply);
    }

    private void ReplyNumber(ulong value)
    {
        Span<byte> reply = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(reply, value);
        _socket.Reply(reply);
    }
}
