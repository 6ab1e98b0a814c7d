using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Native;

// channel-forward SOCKET: hands the connection on standard input over to the host endpoint that listens on a Unix socket,
// and ends. QEMU starts it for each connection to a guest forward: guestfwd=tcp:ADDRESS:PORT-cmd:channel-forward SOCKET.
const int pathAt = 2;
const int addressSize = 110;

if (args.Length != 1 || args[0].Length == 0 || Encoding.UTF8.GetByteCount(args[0]) > addressSize - pathAt - 1)
{
    return Fail("expected one argument, the path of a Unix socket of at most 107 bytes");
}

unsafe
{
    var number = SocketCalls.Socket(Abi.AF_UNIX, Abi.SOCK_STREAM | Abi.SOCK_CLOEXEC, 0);
    if (number < 0)
    {
        return Fail($"no socket: errno {Errno.Last}");
    }

    using var socket = new SafeFd(number);
    var address = stackalloc byte[addressSize];
    new Span<byte>(address, addressSize).Clear();
    *(ushort*)address = Abi.AF_UNIX;
    Encoding.UTF8.GetBytes(args[0], new Span<byte>(address + pathAt, addressSize - pathAt));
    if (SocketCalls.Connect(socket, address, addressSize) < 0)
    {
        return Fail($"nobody takes connections on {args[0]}: errno {Errno.Last}");
    }

    // One byte, because a descriptor needs something to travel with; the descriptor is our standard input, 0.
    byte data = 0;
    var vector = new IoVector { Start = &data, Length = 1 };
    var control = stackalloc byte[24];
    *(ControlHeader*)control = new ControlHeader { Length = sizeof(ControlHeader) + sizeof(int), Level = Abi.SOL_SOCKET, Type = Abi.SCM_RIGHTS };
    *(int*)(control + sizeof(ControlHeader)) = 0;
    var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = 24 };
    return SocketCalls.SendMsg(socket, &message, Abi.MSG_NOSIGNAL) == 1 ? 0 : Fail($"{args[0]} did not take the connection: errno {Errno.Last}");
}

static unsafe int Fail(string text)
{
    var line = Encoding.UTF8.GetBytes($"channel-forward: {text}\n");
    using var error = new SafeFd(2);
    fixed (byte* start = line)
    {
        _ = DescriptorCalls.Write(error, start, (nuint)line.Length);
    }

    return 1;
}
