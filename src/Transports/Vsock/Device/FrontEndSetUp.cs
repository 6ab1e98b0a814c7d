using System.Buffers.Binary;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What a front-end has set up by its requests (vhost-user protocol, "Front-end message types"). Its owner serializes the calls.</summary>
internal sealed class FrontEndSetUp : IDisposable
{
    private readonly DeviceCore _core;
    private readonly FrontEndSocket _socket;
    private readonly VsockDeviceOptions _options;
    private readonly bool _keepsFiles;
    private readonly RingSetUp[] _rings;
    private readonly List<SafeFd> _memoryFiles = [];
    private MemoryRegionInfo[] _regions = [];
    private ulong _features;

    /// <summary>Begins with nothing.</summary>
    /// <param name="core">The device.</param>
    /// <param name="socket">The socket to the front-end.</param>
    /// <param name="reactor">Waits for kicks.</param>
    /// <param name="options">What the device is.</param>
    /// <param name="keepsFiles">Whether the files of memory regions stay open, for <see cref="Files"/>.</param>
    internal FrontEndSetUp(DeviceCore core, FrontEndSocket socket, IoReactor reactor, VsockDeviceOptions options, bool keepsFiles)
    {
        (_core, _socket, _options, _keepsFiles) = (core, socket, options, keepsFiles);
        _rings = [new RingSetUp(core, reactor, isTransmit: false), new RingSetUp(core, reactor, isTransmit: true)];
    }

    /// <summary>All of it, for the next process that serves the front-end.</summary>
    internal FrontEndRecord Record => new(_features, _regions, _rings[0].Record, _rings[1].Record);

    /// <summary>The descriptors that go with <see cref="Record"/>.</summary>
    internal List<SafeFd> Files
    {
        get
        {
            List<SafeFd> files = [_socket.Fd, .. _memoryFiles];
            foreach (var ring in _rings)
            {
                ring.AddFiles(files);
            }

            return files;
        }
    }

    /// <summary>Goes on where a process before has ended.</summary>
    /// <param name="record">What that process was told.</param>
    /// <param name="files">Its descriptors behind that of the connection.</param>
    /// <exception cref="DeviceFaultException">It cannot be.</exception>
    internal void Restore(FrontEndRecord record, Queue<SafeFd> files)
    {
        _features = (record.Features & ~VhostUser.OfferedFeatures) == 0 ? record.Features : throw new DeviceFaultException("kept features that were not offered");
        if (record.Regions.Length > 0)
        {
            var memory = new List<SafeFd>();
            for (var i = 0; i < record.Regions.Length; i++)
            {
                memory.Add(files.Dequeue());
            }

            SetMemory(record.Regions, memory);
        }

        _rings[0].Restore(record.Receive, files, _features);
        _rings[1].Restore(record.Transmit, files, _features);
    }

    public void Dispose()
    {
        foreach (var ring in _rings)
        {
            ring.Dispose();
        }

        DropMemoryFiles();
    }

    /// <summary>Does what the message at hand asks for, and answers it.</summary>
    /// <exception cref="DeviceFaultException">It cannot be.</exception>
    internal void Handle()
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
                SetMemory(payload.Regions(), _socket.Files);
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

    private void SetMemory(MemoryRegionInfo[] regions, List<SafeFd> files)
    {
        _core.SetMemory(GuestMemory.Map(regions, files, (ulong)_options.MaxMemory, _socket.Closer));
        if (_keepsFiles)
        {
            DropMemoryFiles();
            _regions = regions;
            _memoryFiles.AddRange(files);
            files.Clear();
        }
    }

    private void DropMemoryFiles()
    {
        foreach (var file in _memoryFiles)
        {
            file.Dispose();
        }

        _memoryFiles.Clear();
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
