using System.Globalization;
using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Ends a program when this process ends, however it dies: a shell that kills the program's control groups and process group once
/// our end of its standard input closes. (A parent-death signal would follow the thread that started the program.)
/// </summary>
public sealed class ProcessGuard : IDisposable
{
    // Groups of the first version, and those of old kernels, have no cgroup.kill.
    private const string Guard = """
        read -r program
        read -r _
        held=$1
        shift
        for group; do
            echo 1 >"$group/cgroup.kill" || kill -9 $(cat "$group/cgroup.procs")
        done
        [ -z "$program" ] || kill -9 "-$program"
        [ -z "$held" ] || rm -f -- "$held"
        """;

    private readonly int _pid;
    private readonly FileStream _alive;
    private bool _isOver;

    private ProcessGuard(int pid, FileStream alive) => (_pid, _alive) = (pid, alive);

    /// <summary>Starts one, before there is a program.</summary>
    /// <param name="groups">Folders of the program's control groups.</param>
    /// <param name="held">A file that it keeps open as long as it lives; null for none.</param>
    /// <param name="heldPath">Where that file is: it is removed when this process dies, and stays when the guard is disposed of. Null: there is none.</param>
    /// <param name="guard">The guard; null after a failure.</param>
    /// <returns>0, or the errno.</returns>
    public static int Start(IReadOnlyList<string> groups, SafeFileHandle? held, string? heldPath, out ProcessGuard? guard)
    {
        guard = null;
        if (Descriptor.Pipe() is not var (read, write))
        {
            return Errno.Last;
        }

        using (read)
        {
            string[] arguments = ["sh", "-c", Guard, "sh", heldPath ?? "", .. groups];
            var request = new SpawnRequest("/bin/sh"u8.ToArray(), [.. arguments.Select(Encoding.UTF8.GetBytes)], [Encoding.UTF8.GetBytes($"PATH={ProcessSpawn.SearchPath}")])
            {
                Input = read,
                Kept = held is null ? [] : [held],
                IsQuiet = true,
                // What ends this process by a signal to its group must not end the guard.
                NewSession = true,
            };
            if (ProcessSpawn.Start(request, out var pid) is not 0 and var error)
            {
                write.Dispose();
                return error;
            }

            guard = new ProcessGuard(pid, new FileStream(write, FileAccess.Write, bufferSize: 0));
            return 0;
        }
    }

    /// <summary>Tells it the program's process group.</summary>
    public void Watch(int group)
    {
        try
        {
            _alive.Write(Encoding.ASCII.GetBytes(group.ToString(CultureInfo.InvariantCulture) + "\n"));
        }
        catch (IOException)
        {
            // Somebody has killed it; the program is ended by us, or as a crash's.
        }
    }

    /// <summary>Ends it, before the program's number may be another's.</summary>
    public void Dispose()
    {
        if (!_isOver)
        {
            _isOver = true;
            _ = ProcessCalls.Kill(_pid, Abi.SIGKILL);
            while (ProcessCalls.WaitPid(_pid, out _, 0) < 0 && Errno.Last == Errno.EINTR)
            {
                // A signal of the runtime's; it ends at once all the same.
            }

            _alive.Dispose();
        }
    }
}
