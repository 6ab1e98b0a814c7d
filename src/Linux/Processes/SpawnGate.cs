using System.Globalization;
using System.Text;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Holds a program that posix_spawn(3) is starting back between fork and exec, so that it is in its control group before its
/// first instruction: as its first step the child opens a named pipe for reading, which waits for a writer.
/// </summary>
public sealed class SpawnGate : IDisposable
{
    private const uint OwnerOnly = 0x180;
    private const int StackBytes = 256 << 10;
    private static long s_count;
    private readonly SafeFileHandle _pipe;

    private SpawnGate(SafeFileHandle pipe) => _pipe = pipe;

    /// <summary>Where the child finds the pipe, which has no name any more.</summary>
    public string Path => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{_pipe.DangerousGetHandle()}");

    /// <summary>Starts a program and puts it into control groups before it runs.</summary>
    /// <param name="processesFiles">The groups' cgroup.procs.</param>
    /// <param name="start">Starts it through the gate at <see cref="Path"/>, or without one for null; gives its result.</param>
    /// <param name="hasJoined">Whether the program is in all of the groups.</param>
    /// <returns>What <paramref name="start"/> gave.</returns>
    public static int Start(IReadOnlyList<string> processesFiles, Func<SpawnGate?, int> start, out bool hasJoined)
    {
        using var gate = Create();
        if (gate is null)
        {
            hasJoined = false;
            return start(null);
        }

        return gate.Through(processesFiles, start, out hasJoined);
    }

    /// <inheritdoc/>
    public void Dispose() => _pipe.Dispose();

    private static SpawnGate? Create()
    {
        foreach (var folder in (string[])["/run", System.IO.Path.GetTempPath()])
        {
            var name = System.IO.Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $".channel-gate-{Environment.ProcessId}-{Environment.TickCount64:x}-{Interlocked.Increment(ref s_count):x}"));
            if (FileCalls.MkFifo(name, OwnerOnly) != 0)
            {
                continue;
            }

            var fd = FileCalls.Open(name, Abi.O_PATH | Abi.O_CLOEXEC);
            File.Delete(name);
            return fd < 0 ? null : new SpawnGate(new SafeFileHandle(fd, ownsHandle: true));
        }

        return null;
    }

    // The thread that starts the program stands still until it runs, so another thread finds the child and lets it go.
    private int Through(IReadOnlyList<string> processesFiles, Func<SpawnGate?, int> start, out bool hasJoined)
    {
        var thread = 0;
        var result = 0;
        using var isOver = new ManualResetEventSlim();
        var starter = new Thread(
            () =>
            {
                Volatile.Write(ref thread, ProcessCalls.GetTid());
                try
                {
                    result = start(this);
                }
                catch (Exception)
                {
                    // Thrown on, it would end the process.
                    result = Errno.ENOMEM;
                }

                isOver.Set();
            },
            StackBytes)
        { IsBackground = true, Name = "channel-spawn" };
        starter.Start();
        hasJoined = false;
        try
        {
            while (!isOver.IsSet)
            {
                if (Volatile.Read(ref thread) is not 0 and var id && ChildOf(id) is not "" and var child)
                {
                    hasJoined = child is not null && processesFiles.Count(file => SmallFile.TryWrite(file, child)) == processesFiles.Count;
                    break;
                }

                Thread.Yield();
            }
        }
        finally
        {
            // Both ends: it never waits, and a child that comes to the gate later finds it open.
            using var open = new SafeFileHandle(FileCalls.Open(Path, Abi.O_RDWR | Abi.O_CLOEXEC), ownsHandle: true);
            isOver.Wait();
        }

        return result;
    }

    // A new thread's only child. Empty until there is one, and null where the kernel does not tell (CONFIG_PROC_CHILDREN).
    private static string? ChildOf(int thread) =>
        SmallFile.TryRead(string.Create(CultureInfo.InvariantCulture, $"/proc/self/task/{thread}/children"), 64, out var bytes) == 0
            ? Encoding.ASCII.GetString(bytes).Trim() : null;
}
