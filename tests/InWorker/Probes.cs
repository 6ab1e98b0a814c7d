using System.Globalization;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.InWorker;

/// <summary>What a worker that was taken over would try. Each gives "0", "errno N", or a text; some end the process.</summary>
internal static unsafe class Probes
{
    private const int MostCalls = 10_000;
    private const int SigChld = 17;
    private static readonly SafeFd s_noFile = new();

    public static string Run(string name, string argument, SafeFd control) => name switch
    {
        "open" => Path(argument, static path => SystemCalls.Syscall(NativeNumbers.OpenAt, Abi.AT_FDCWD, (nint)path, 0, 0, 0)),
        "stat" => Path(argument, static path => SystemCalls.Syscall(NativeNumbers.NewFStatAt, Abi.AT_FDCWD, (nint)path, (nint)path, 0, 0)),
        "list" => Path(argument, static path => SystemCalls.Syscall(NativeNumbers.OpenAt, Abi.AT_FDCWD, (nint)path, Abi.O_DIRECTORY, 0, 0)),
        "socket" => Call(NativeNumbers.Socket, Numbers(argument)),
        "call" => Call(Numbers(argument)[0], Numbers(argument)[1..]),
        "mkdir" => Path(argument, static path => SystemCalls.Syscall(NativeNumbers.MkDir, (nint)path, 0, 0, 0, 0)),
        "tcp-bind" => Bind(),
        "connect-control" => UnixName((address, length) => SystemCalls.Syscall(NativeNumbers.Connect, (int)control.DangerousGetHandle(), (nint)address, (nint)length, 0, 0)),
        "bind-control" => UnixName((address, length) => SystemCalls.Syscall(NativeNumbers.Bind, (int)control.DangerousGetHandle(), (nint)address, (nint)length, 0, 0)),
        "execve" => Path("/bin/true", static path => SystemCalls.Syscall(NativeNumbers.ExecVe, (nint)path, 0, 0, 0, 0)),
        "executable-memory" => Mapped(),
        "executable-protection" => Protected(),
        "fork" => Call(NativeNumbers.Clone, [SigChld]),
        "limits" => Limits(),
        "threads" => Threads(int.Parse(argument, CultureInfo.InvariantCulture)),
        "memory" => Grow(long.Parse(argument, CultureInfo.InvariantCulture)),
        "managed-memory" => GrowManaged(),
        "descriptors" => Open(),
        "write" => WriteWithoutEnd(argument),
        "spin" => Spin(),
        "abort" => Abort(),
        "fault" => Fault(),
        "work" => Work(),
        "id" => Call(NativeNumbers.GetPid, []),
        _ => "unknown",
    };

    private static nint[] Numbers(string argument) =>
        [.. argument.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static word => nint.Parse(word, CultureInfo.InvariantCulture))];

    private static string Call(nint number, nint[] arguments)
    {
        var all = arguments.Concat(Enumerable.Repeat((nint)0, 5)).ToArray();
        return Outcome(SystemCalls.Syscall(number, all[0], all[1], all[2], all[3], all[4]));
    }

    private static string Outcome(nint result) => result < 0 ? $"errno {Errno.Last}" : string.Create(CultureInfo.InvariantCulture, $"{result}");

    private delegate nint OfPath(byte* path);

    private delegate nint OfAddress(byte* address, int length);

    private static string Path(string path, OfPath call)
    {
        fixed (byte* bytes = System.Text.Encoding.UTF8.GetBytes(path + "\0"))
        {
            return Outcome(call(bytes));
        }
    }

    // An abstract name: it needs no file system.
    private static string UnixName(OfAddress call)
    {
        var address = stackalloc byte[8] { Abi.AF_UNIX, 0, 0, (byte)'p', (byte)'r', (byte)'o', (byte)'b', (byte)'e' };
        return Outcome(call(address, 8));
    }

    private static string Bind()
    {
        using var socket = new SafeFd(SocketCalls.Socket(Abi.AF_INET, Abi.SOCK_STREAM, 0));
        // 127.0.0.1, any port.
        var address = stackalloc byte[16] { Abi.AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
        return Outcome(SocketCalls.Bind(socket, address, 16));
    }

    private static string Mapped()
    {
        const int all = 7;
        return Outcome((nint)SystemCalls.Mmap(null, 4096, all, Abi.MAP_PRIVATE_ANONYMOUS, s_noFile, 0));
    }

    private static string Protected()
    {
        var memory = NativeMemory.AlignedAlloc(4096, 4096);
        return Outcome(SystemCalls.Syscall(NativeNumbers.MProtect, (nint)memory, 4096, 5, 0, 0));
    }

    // setrlimit, prlimit64 with a new value, and the same for another process.
    private static string Limits()
    {
        var limit = stackalloc ulong[2] { 1 << 20, 1 << 20 };
        const int files = 7;
        return string.Join(' ', Outcome(SystemCalls.Syscall(NativeNumbers.SetRLimit, files, (nint)limit, 0, 0, 0)), Outcome(SystemCalls.Syscall(NativeNumbers.PRLimit, 0, files, (nint)limit, 0, 0)));
    }

    private static string Threads(int count)
    {
        using var isOver = new ManualResetEventSlim();
        var made = 0;
        try
        {
            for (; made < count; made++)
            {
                new Thread(isOver.Wait, 64 << 10) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
        {
        }

        isOver.Set();
        return string.Create(CultureInfo.InvariantCulture, $"{made}");
    }

    private static string Grow(long bytes)
    {
        const int step = 1 << 20;
        long done = 0;
        for (; done < bytes; done += step)
        {
            var memory = SystemCalls.Mmap(null, step, Abi.PROT_READ_WRITE, Abi.MAP_PRIVATE_ANONYMOUS, s_noFile, 0);
            if ((nint)memory == -1)
            {
                break;
            }

            new Span<byte>(memory, step).Fill(1);
        }

        return string.Create(CultureInfo.InvariantCulture, $"{done >> 20}");
    }

    private static string GrowManaged()
    {
        var kept = new List<byte[]>();
        try
        {
            for (var i = 0; i < 1024; i++)
            {
                kept.Add(new byte[1 << 20]);
            }
        }
        catch (OutOfMemoryException)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{kept.Count}");
        }

        return "no end";
    }

    private static string Open()
    {
        var count = 0;
        while (count < MostCalls && DescriptorCalls.EventFd(0, Abi.EFD_CLOEXEC) >= 0)
        {
            count++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{count} errno {Errno.Last}");
    }

    // Into what it shares with the host manager, until that is full; it does not come back otherwise.
    private static string WriteWithoutEnd(string argument)
    {
        var (fd, flags) = (int.Parse(argument, CultureInfo.InvariantCulture), Abi.MSG_DONTWAIT | Abi.MSG_NOSIGNAL);
        var block = stackalloc byte[1024];
        var count = 0;
        using var file = new SafeFd(fd);
        while (count < 1_000_000)
        {
            var sent = SocketCalls.Send(file, block, 1024, flags);
            if (sent < 0)
            {
                break;
            }

            count++;
        }

        var error = Errno.Last;
        file.SetHandleAsInvalid();
        return string.Create(CultureInfo.InvariantCulture, $"{count} errno {error}");
    }

    private static string Spin()
    {
        while (true)
        {
            Thread.SpinWait(1000);
        }
    }

    private static string Abort()
    {
        Environment.FailFast("told to");
        return "";
    }

    private static string Fault()
    {
        // Far from null, which the runtime makes an exception of.
        *(byte*)0x12345678000 = 1;
        return "";
    }

    // What the runtime does as it works: exceptions, threads, locks, collections, timers, the pool.
    private static string Work()
    {
        var lost = 0;
        for (var round = 0; round < 20; round++)
        {
            var keep = new object?[200];
            for (var i = 0; i < 20_000; i++)
            {
                keep[i % keep.Length] = new byte[i % 3000];
            }

            // A thread that computes is stopped by a signal.
            var isOver = false;
            var busy = new Thread(() => Compute(ref isOver), 64 << 10);
            busy.Start();
            Thread.Sleep(2);
            GC.Collect();
            Volatile.Write(ref isOver, true);
            lost += busy.Join(10_000) ? 0 : 1;
            try
            {
                throw new InvalidOperationException();
            }
            catch (InvalidOperationException)
            {
            }

            var threads = Enumerable.Range(0, 4).Select(static _ => new Thread(static () => Thread.Sleep(1), 64 << 10)).ToArray();
            Array.ForEach(threads, static thread => thread.Start());
            lost += threads.Count(static thread => !thread.Join(10_000));
            lost += Task.WhenAll(Enumerable.Range(0, 8).Select(static _ => Task.Run(static () => Task.Delay(1)))).Wait(10_000) ? 0 : 1;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{lost}");
    }

    private static long Compute(ref bool isOver)
    {
        long sum = 0;
        while (!Volatile.Read(ref isOver))
        {
            for (var i = 0; i < 1000; i++)
            {
                sum += i ^ sum;
            }
        }

        return sum;
    }
}
