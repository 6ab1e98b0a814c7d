using System.Runtime.InteropServices;
using ChannelSdk.Protocol;

namespace ChannelSdk.Transports.Native;

/// <summary>
/// Adds one to an eventfd of another process without ever waiting. A write(2) would wait while the counter is full, unless the open
/// file is non-blocking, which that process may change at any moment; nor is there a flag for one call.
/// </summary>
/// <remarks>
/// The kernel itself signals an eventfd without waiting, for instance when a request of its asynchronous I/O ends (io_submit(2),
/// IOCB_FLAG_RESFD). So each signal is an asynchronous read of no bytes from /dev/null, which ends before the call returns.
/// </remarks>
internal static unsafe class EventSignal
{
    private const int Requests = 128;
    private const int Reaped = 64;

    private static readonly Lock s_gate = new();
    private static nuint s_context;
    private static SafeFd? s_null;

    /// <summary>Gets what signals need.</summary>
    /// <exception cref="ChannelException">The kernel does not give it (TransportFailed).</exception>
    internal static void Prepare()
    {
        lock (s_gate)
        {
            if (s_null is not null)
            {
                return;
            }
            int fd = Libc.Open("/dev/null", Linux.O_CLOEXEC, 0);
            if (fd < 0)
            {
                throw Failed("open /dev/null", null);
            }
            var file = new SafeFd(fd);
            nuint context = 0;
            if (Libc.Syscall(Linux.SYS_io_setup, Requests, (nint)(&context), 0, 0, 0) < 0)
            {
                file.Dispose();
                throw Failed("set asynchronous I/O up", "Raise fs.aio-max-nr, and let the sandbox of this program allow io_setup and io_submit.");
            }
            s_context = context;
            s_null = file;
        }
    }

    /// <summary>Whether a descriptor is an eventfd. Asks nothing of whoever else may have it.</summary>
    internal static bool IsEvent(SafeFd fd)
    {
        using var hold = new HandleHold(fd);
        return new FileInfo($"/proc/self/fd/{fd.DangerousGetHandle()}").LinkTarget == "anon_inode:[eventfd]";
    }

    /// <summary>Signals. A full counter stays full, and its owner has been told anyway.</summary>
    /// <param name="fd">An eventfd; nothing happens to any other file.</param>
    internal static void Signal(SafeFd fd)
    {
        using var hold = new HandleHold(fd);
        byte nothing;
        var request = new AioRequest
        {
            File = (uint)s_null!.DangerousGetHandle(),
            Buffer = (ulong)&nothing,
            Flags = AioRequest.SignalsEvent,
            Event = (uint)fd.DangerousGetHandle(),
        };
        AioRequest* first = &request;
        if (Submit(&first) < 0 && Errno.Last == Errno.EAGAIN)
        {
            // What has ended takes room until it is fetched.
            Reap();
            _ = Submit(&first);
        }
    }

    private static nint Submit(AioRequest** requests) => Libc.Syscall(Linux.SYS_io_submit, (nint)s_context, 1, (nint)requests, 0, 0);

    private static void Reap()
    {
        byte* ended = stackalloc byte[Reaped * AioRequest.EventSize];
        long* noTime = stackalloc long[2] { 0, 0 };
        while (Libc.Syscall(Linux.SYS_io_getevents, (nint)s_context, 0, Reaped, (nint)ended, (nint)noTime) == Reaped)
        {
        }
    }

    private static ChannelException Failed(string action, string? advice) =>
        Errno.ToException(Errno.Last, action, "for the interrupts of a vsock device", advice);
}

/// <summary>struct iocb: an asynchronous request, little-endian. Zero for the operation is IOCB_CMD_PREAD.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct AioRequest
{
    /// <summary>IOCB_FLAG_RESFD.</summary>
    internal const uint SignalsEvent = 1;

    /// <summary>Bytes of struct io_event.</summary>
    internal const int EventSize = 32;

    [FieldOffset(20)]
    public uint File;

    [FieldOffset(24)]
    public ulong Buffer;

    [FieldOffset(56)]
    public uint Flags;

    [FieldOffset(60)]
    public uint Event;
}
