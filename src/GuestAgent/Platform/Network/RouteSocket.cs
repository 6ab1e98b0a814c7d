using System.Buffers.Binary;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>Reads the kernel's tables of the network by rtnetlink(7), whole and as they are at one moment, and changes entries of them.</summary>
internal static unsafe class RouteSocket
{
    private const int HeaderBytes = 16;

    // linux/netlink.h
    private const ushort Request = 1;
    private const ushort Acknowledge = 4;
    private const ushort Dump = 0x300;
    private const ushort WasInterrupted = 0x10;
    private const int ErrorType = 2;
    private const int DoneType = 3;

    // The kernel puts no more into one message (NLMSG_GOODSIZE and the size of the receiver's buffer, at most 32 KiB).
    private const int BufferBytes = 32 << 10;

    // Of a table that changes all the time the last reading is taken as it is.
    private const int Attempts = 5;

    /// <summary>Reads a table.</summary>
    /// <param name="type">What is asked for, an RTM_GET number.</param>
    /// <param name="request">The body of the question.</param>
    /// <param name="table">Takes the entries.</param>
    /// <returns>0, or the errno of what failed.</returns>
    public static int Read(ushort type, ReadOnlySpan<byte> request, INetworkTable table)
    {
        using var socket = Open();
        if (socket.IsInvalid)
        {
            return Errno.Last;
        }

        var buffer = GC.AllocateUninitializedArray<byte>(BufferBytes);
        for (uint sequence = 1; ; sequence++)
        {
            table.Clear();
            var error = Send(socket, type, Request | Dump, sequence, request);
            var isConsistent = true;
            error = error != 0 ? error : Receive(socket, buffer, sequence, table, ref isConsistent);
            if (error != 0 || isConsistent || sequence == Attempts)
            {
                return error;
            }
        }
    }

    /// <summary>Changes an entry.</summary>
    /// <param name="type">What is asked for, an RTM_NEW number.</param>
    /// <param name="request">The body of the message.</param>
    /// <returns>0, or the errno of what failed.</returns>
    public static int Change(ushort type, ReadOnlySpan<byte> request)
    {
        using var socket = Open();
        var isConsistent = true;
        var error = socket.IsInvalid ? Errno.Last : Send(socket, type, Request | Acknowledge, 1, request);
        return error != 0 ? error : Receive(socket, new byte[4096], 1, new NoTable(), ref isConsistent);
    }

    private static SafeFd Open()
    {
        var socket = new SafeFd(SocketCalls.Socket(Abi.AF_NETLINK, Abi.SOCK_RAW | Abi.SOCK_CLOEXEC, 0));
        var kernel = stackalloc byte[12];
        new Span<byte>(kernel, 12).Clear();
        *(ushort*)kernel = Abi.AF_NETLINK;
        // A connected socket receives from the kernel alone.
        if (socket.IsInvalid || SocketCalls.Connect(socket, kernel, 12) == 0)
        {
            return socket;
        }

        socket.Dispose();
        return new SafeFd(-1);
    }

    private static int Send(SafeFd socket, ushort type, ushort flags, uint sequence, ReadOnlySpan<byte> request)
    {
        Span<byte> message = stackalloc byte[HeaderBytes + request.Length];
        message.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], flags);
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], sequence);
        request.CopyTo(message[HeaderBytes..]);
        fixed (byte* start = message)
        {
            return SocketCalls.Send(socket, start, (nuint)message.Length, 0) == message.Length ? 0 : Errno.Last;
        }
    }

    private static int Receive(SafeFd socket, byte[] buffer, uint sequence, INetworkTable table, ref bool isConsistent)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = SocketCalls.Recv(socket, start, (nuint)buffer.Length, 0);
            }

            if (count <= 0)
            {
                if (count < 0 && Errno.Last == Errno.EINTR)
                {
                    continue;
                }

                return count < 0 ? Errno.Last : Errno.EIO;
            }

            ReadOnlySpan<byte> rest = buffer.AsSpan(0, (int)count);
            while (rest.Length >= HeaderBytes)
            {
                var size = BinaryPrimitives.ReadInt32LittleEndian(rest);
                if (size < HeaderBytes || size > rest.Length)
                {
                    return Errno.EIO;
                }

                int type = BinaryPrimitives.ReadUInt16LittleEndian(rest[4..]);
                isConsistent &= (BinaryPrimitives.ReadUInt16LittleEndian(rest[6..]) & WasInterrupted) == 0;
                var body = rest[HeaderBytes..size];
                if (BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]) == sequence)
                {
                    if (type is DoneType or ErrorType)
                    {
                        return body.Length >= 4 ? -BinaryPrimitives.ReadInt32LittleEndian(body) : 0;
                    }

                    table.Add(type, body);
                }

                rest = rest[Math.Min(Aligned(size), rest.Length)..];
            }
        }
    }

    /// <summary>An attribute behind a message's fixed part: its kind and value. The rest remains.</summary>
    public static bool NextAttribute(scoped ref ReadOnlySpan<byte> rest, out int type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (rest.Length < 4 || BinaryPrimitives.ReadUInt16LittleEndian(rest) is var size && (size < 4 || size > rest.Length))
        {
            return false;
        }
        // The two highest bits are flags.
        type = BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]) & 0x3FFF;
        value = rest[4..size];
        rest = rest[Math.Min(Aligned(size), rest.Length)..];
        return true;
    }

    private static int Aligned(int size) => (size + 3) & ~3;

    // An acknowledgement has no entries.
    private sealed class NoTable : INetworkTable
    {
        public void Clear()
        {
        }

        public void Add(int type, ReadOnlySpan<byte> body)
        {
        }
    }
}
