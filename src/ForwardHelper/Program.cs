using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Transports.Native;

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
    int number = Libc.Socket(Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_CLOEXEC, 0);
    if (number < 0)
    {
        return Fail($"no socket: errno {Marshal.GetLastPInvokeError()}");
    }

    using var socket = new SafeFd(number);
    byte* address = stackalloc byte[addressSize];
    new Span<byte>(address, addressSize).Clear();
    *(ushort*)address = Linux.AF_UNIX;
    Encoding.UTF8.GetBytes(args[0], new Span<byte>(address + pathAt, addressSize - pathAt));
    if (Libc.Connect(socket, address, addressSize) < 0)
    {
        return Fail($"nobody takes connections on {args[0]}: errno {Marshal.GetLastPInvokeError()}");
    }

    // One byte, because a descriptor needs something to travel with; the descriptor is our standard input, 0.
    byte data = 0;
    var vector = new IoVector { Start = &data, Length = 1 };
    byte* control = stackalloc byte[24];
    *(ControlHeader*)control = new ControlHeader { Length = sizeof(ControlHeader) + sizeof(int), Level = Linux.SOL_SOCKET, Type = Linux.SCM_RIGHTS };
    *(int*)(control + sizeof(ControlHeader)) = 0;
    var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = 24 };
    return Libc.SendMsg(socket, &message, Linux.MSG_NOSIGNAL) == 1 ? 0 : Fail($"{args[0]} did not take the connection: errno {Marshal.GetLastPInvokeError()}");
}

static unsafe int Fail(string text)
{
    byte[] line = Encoding.UTF8.GetBytes($"channel-forward: {text}\n");
    using var error = new SafeFd(2);
    fixed (byte* start = line)
    {
        _ = Libc.Write(error, start, (nuint)line.Length);
    }

    return 1;
}
