using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Vsock.Device;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>Stands for QEMU: speaks the vhost-user protocol to a device's socket, rightly or as a test wants.</summary>
internal sealed unsafe partial class FrontEndDouble : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    internal FrontEndDouble(string path)
    {
        _socket.ReceiveTimeout = 30_000;
        _socket.Connect(new UnixDomainSocketEndPoint(path));
    }

    /// <summary>Sends a request that has no answer.</summary>
    internal void Tell(VhostUserRequest request, ReadOnlySpan<byte> payload, params ReadOnlySpan<SafeFd> files) =>
        Send((uint)request, 1, (uint)payload.Length, payload, files);

    internal void Tell(VhostUserRequest request, params ReadOnlySpan<ulong> words) =>
        Tell(request, MemoryMarshal.AsBytes(words));

    /// <summary>Sends a request for a queue.</summary>
    internal void TellRing(VhostUserRequest request, uint index, uint value) => Tell(request, index | (ulong)value << 32);

    /// <summary>Sends a request and gives its answer's payload.</summary>
    internal byte[] Ask(VhostUserRequest request, ReadOnlySpan<byte> payload, params ReadOnlySpan<SafeFd> files)
    {
        Send((uint)request, 1 | 8, (uint)payload.Length, payload, files);
        var header = Receive(12);
        Assert.Equal((uint)request, BinaryPrimitives.ReadUInt32LittleEndian(header));
        Assert.Equal(5u, BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)));
        return Receive((int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8)));
    }

    internal ulong AskNumber(VhostUserRequest request) => BinaryPrimitives.ReadUInt64LittleEndian(Ask(request, default));

    internal void Negotiate(ulong features)
    {
        Assert.Equal(VhostUser.OfferedFeatures, AskNumber(VhostUserRequest.GetFeatures));
        Assert.Equal(VhostUser.OfferedProtocolFeatures, AskNumber(VhostUserRequest.GetProtocolFeatures));
        Tell(VhostUserRequest.SetProtocolFeatures, VhostUser.OfferedProtocolFeatures);
        Tell(VhostUserRequest.SetOwner);
        Tell(VhostUserRequest.SetFeatures, features);
    }

    internal void SetMemory(GuestRam ram) => Assert.Equal(new byte[8], Ask(
        VhostUserRequest.SetMemoryTable,
        MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, (ulong)ram.Size, GuestRam.UserBase, 0]), ram.File));

    /// <summary>Sends any message.</summary>
    internal void Send(uint request, uint flags, uint length, ReadOnlySpan<byte> payload, ReadOnlySpan<SafeFd> files)
    {
        var message = new byte[12 + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, request);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), length);
        payload.CopyTo(message.AsSpan(12));
        SendRaw(message, files);
    }

    /// <summary>Sends bytes with descriptors; false if the device has closed the socket.</summary>
    internal bool SendRaw(ReadOnlySpan<byte> bytes, params ReadOnlySpan<SafeFd> files)
    {
        var control = stackalloc byte[16 + 4 * 32];
        var rights = (ControlHeader*)control;
        *rights = new ControlHeader { Length = 16 + 4 * files.Length, Level = Abi.SOL_SOCKET, Type = Abi.SCM_RIGHTS };
        for (var i = 0; i < files.Length; i++)
        {
            ((int*)(control + 16))[i] = (int)files[i].DangerousGetHandle();
        }

        fixed (byte* start = bytes)
        {
            var vector = new IoVector { Start = start, Length = (nuint)bytes.Length };
            var header = new MessageHeader
            {
                Vectors = &vector,
                VectorCount = 1,
                Control = files.Length > 0 ? control : null,
                ControlLength = files.Length > 0 ? (16 + 4 * files.Length + 7) & ~7 : 0,
            };
            return sendmsg((int)_socket.Handle, &header, Abi.MSG_NOSIGNAL) == bytes.Length;
        }
    }

    /// <summary>Waits until the device has closed the socket.</summary>
    internal void WaitClosed()
    {
        var rest = new byte[256];
        try
        {
            while (_socket.Receive(rest) > 0)
            {
            }
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // It closed with our bytes unread.
        }
    }

    public void Dispose() => _socket.Dispose();

    private byte[] Receive(int length)
    {
        var bytes = new byte[length];
        for (var have = 0; have < length;)
        {
            var received = _socket.Receive(bytes, have, length - have, SocketFlags.None);
            Assert.True(received > 0, "the device closed its socket");
            have += received;
        }

        return bytes;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, MessageHeader* message, int flags);
}
