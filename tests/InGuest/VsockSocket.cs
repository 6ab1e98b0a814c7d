using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.InGuest;

/// <summary>A blocking vsock socket to the host, as any program in a guest has one.</summary>
internal sealed unsafe class VsockSocket : IDisposable
{
    private const uint Host = 2;
    private const int AddressLength = 16;
    private const int ShutWrite = 1;

    private readonly SafeFd _fd;

    private VsockSocket(SafeFd fd) => _fd = fd;

    /// <summary>Connects; the errno if that fails.</summary>
    public static (VsockSocket? Socket, int Errno) Connect(uint port, long? bufferSize = null)
    {
        var number = SocketCalls.Socket(Abi.AF_VSOCK, Abi.SOCK_STREAM | Abi.SOCK_CLOEXEC, 0);
        Assert.True(number >= 0, $"socket: errno {Errno.Last}");
        var fd = new SafeFd(number);
        if (bufferSize is { } size)
        {
            // SO_VM_SOCKETS_BUFFER_MIN_SIZE and SO_VM_SOCKETS_BUFFER_SIZE of linux/vm_sockets.h.
            Assert.Equal(0, SocketCalls.SetSockOpt(fd, Abi.AF_VSOCK, 1, &size, sizeof(long)));
            Assert.Equal(0, SocketCalls.SetSockOpt(fd, Abi.AF_VSOCK, 0, &size, sizeof(long)));
        }

        var address = stackalloc byte[AddressLength];
        new Span<byte>(address, AddressLength).Clear();
        var words = MemoryMarshal.Cast<byte, uint>(new Span<byte>(address, AddressLength));
        (words[0], words[1], words[2]) = (Abi.AF_VSOCK, port, Host);
        if (SocketCalls.Connect(fd, address, AddressLength) == 0)
        {
            return (new VsockSocket(fd), 0);
        }

        var errno = Errno.Last;
        fd.Dispose();
        return (null, errno);
    }

    /// <summary>Connects to a port with a listener; a reset means that its backlog is full just now.</summary>
    public static VsockSocket To(uint port, long? bufferSize = null)
    {
        var (socket, errno) = Connect(port, bufferSize);
        for (var i = 0; i < 200 && errno == Errno.ECONNRESET; i++)
        {
            Thread.Sleep(20);
            (socket, errno) = Connect(port, bufferSize);
        }

        Assert.True(socket is not null, $"connect to port {port}: errno {errno}");
        return socket!;
    }

    /// <summary>CID and port of the other side.</summary>
    public (uint Cid, uint Port) Peer
    {
        get
        {
            var address = stackalloc byte[AddressLength];
            uint length = AddressLength;
            Assert.Equal(0, SocketCalls.GetPeerName(_fd, address, &length));
            var words = new ReadOnlySpan<uint>(address, AddressLength / sizeof(uint));
            return (words[2], words[1]);
        }
    }

    public void SendAll(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = TrySend(bytes, 0);
            Assert.True(count > 0, $"send: errno {-count}");
            bytes = bytes[(int)count..];
        }
    }

    /// <summary>Bytes taken, or minus the errno. Without a wait: MSG_DONTWAIT in the flags.</summary>
    public nint TrySend(ReadOnlySpan<byte> bytes, int flags)
    {
        const int noSignal = 0x4000;
        fixed (byte* start = bytes)
        {
            var count = SocketCalls.Send(_fd, start, (nuint)bytes.Length, flags | noSignal);
            return count >= 0 ? count : -Errno.Last;
        }
    }

    /// <summary>Bytes read, 0 at the end, or minus the errno.</summary>
    public nint Receive(Span<byte> bytes, int flags = 0)
    {
        fixed (byte* start = bytes)
        {
            var count = SocketCalls.Recv(_fd, start, (nuint)bytes.Length, flags);
            return count >= 0 ? count : -Errno.Last;
        }
    }

    public byte[] ReceiveToEnd()
    {
        using var all = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (Receive(buffer) is var count && count != 0)
        {
            Assert.True(count > 0, $"recv: errno {-count}");
            all.Write(buffer, 0, (int)count);
        }

        return all.ToArray();
    }

    public void EndSending() => Assert.Equal(0, SocketCalls.Shutdown(_fd, ShutWrite));

    public void Dispose() => _fd.Dispose();
}
