using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>
/// Adds one to an eventfd of another process without ever waiting. A write(2) would wait while the counter is full, unless the open
/// file is non-blocking, which that process may change at any moment; nor is there a flag for one call.
/// </summary>
/// <remarks>
/// The kernel itself signals an eventfd without waiting, for instance when a request of its asynchronous I/O ends (io_submit(2),
/// IOCB_FLAG_RESFD). So each signal is an asynchronous read of no bytes from /dev/null, which ends before the call returns.
/// </remarks>
public static unsafe class EventSignal
{
    // The kernel makes room for a page of answers at least; what is asked for counts against fs.aio-max-nr, for each process.
    private const int Requests = 16;
    private const int Reaped = 64;

    private static readonly Lock s_gate = new();
    private static nuint s_context;
    private static SafeFd? s_null;

    /// <summary>Gets what signals need.</summary>
    /// <returns>0, or the errno of what the kernel refused.</returns>
    public static int Prepare()
    {
        lock (s_gate)
        {
            if (s_null is not null)
            {
                return 0;
            }

            var fd = FileCalls.Open("/dev/null", Abi.O_CLOEXEC, 0);
            if (fd < 0)
            {
                return Errno.Last;
            }

            var file = new SafeFd(fd);
            nuint context = 0;
            if (SystemCalls.Syscall(Abi.SYS_io_setup, Requests, (nint)(&context), 0, 0, 0) < 0)
            {
                var error = Errno.Last;
                file.Dispose();
                return error;
            }

            s_context = context;
            s_null = file;
            return 0;
        }
    }

    /// <summary>Whether a descriptor is an eventfd. It does not depend on other holders of the descriptor, nor on /proc, and signals nothing.</summary>
    public static bool IsEvent(SafeFd fd)
    {
        // io_submit(2) looks at the eventfd first (EINVAL for any other file), and then at the flags of the operation, which there are not.
        return Submit(fd, AioRequest.NoSuchFlag) < 0 && Errno.Last == Errno.EOPNOTSUPP;
    }

    /// <summary>Signals. A full counter stays full, and its owner has been told anyway.</summary>
    /// <param name="fd">An eventfd; nothing happens to any other file.</param>
    public static void Signal(SafeFd fd) => _ = Submit(fd, 0);

    private static nint Submit(SafeFd fd, uint flags)
    {
        using var hold = new HandleHold(fd);
        byte nothing;
        var request = new AioRequest
        {
            OperationFlags = flags,
            File = (uint)s_null!.DangerousGetHandle(),
            Buffer = (ulong)&nothing,
            Flags = AioRequest.SignalsEvent,
            Event = (uint)fd.DangerousGetHandle(),
        };
        var first = &request;
        var submitted = Submit(&first);
        if (submitted < 0 && Errno.Last == Errno.EAGAIN)
        {
            // A completed operation takes room until it is fetched.
            Reap();
            submitted = Submit(&first);
        }

        return submitted;
    }

    private static nint Submit(AioRequest** requests) => SystemCalls.Syscall(Abi.SYS_io_submit, (nint)s_context, 1, (nint)requests, 0, 0);

    private static void Reap()
    {
        var ended = stackalloc byte[Reaped * AioRequest.EventSize];
        var noTime = stackalloc long[2] { 0, 0 };
        while (SystemCalls.Syscall(Abi.SYS_io_getevents, (nint)s_context, 0, Reaped, (nint)ended, (nint)noTime) == Reaped)
        {
        }
    }
}
