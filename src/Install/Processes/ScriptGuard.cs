using System.Globalization;
using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Processes;

/// <summary>
/// Ends a script when this process ends, however it dies: a shell that kills the script's control group and process group once
/// our end of its standard input closes. (A parent-death signal would follow the thread that started the script.)
/// </summary>
internal sealed class ScriptGuard : IDisposable
{
    private const string Guard = """
        read -r script
        read -r _
        [ -z "$1" ] || echo 1 >"$1/cgroup.kill"
        [ -z "$script" ] || kill -9 "-$script"
        """;

    private readonly int _pid;
    private readonly FileStream _alive;
    private bool _isOver;

    private ScriptGuard(int pid, FileStream alive) => (_pid, _alive) = (pid, alive);

    /// <summary>Starts one, before there is a script.</summary>
    /// <param name="group">The script's control group; null if it has none.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be started.</exception>
    public static ScriptGuard Start(Cgroup? group)
    {
        var (read, write) = Descriptor.Pipe() ?? throw Failed(Errno.Last);
        using (read)
        {
            string[] arguments = ["sh", "-c", Guard, "sh", group?.Path ?? ""];
            var request = new SpawnRequest("/bin/sh"u8.ToArray(), [.. arguments.Select(Encoding.UTF8.GetBytes)], [])
            {
                Input = read,
                IsQuiet = true,
                // What ends this process by a signal to its group must not end the guard.
                NewSession = true,
            };
            if (ProcessSpawn.Start(request, out var pid) is not 0 and var error)
            {
                write.Dispose();
                throw Failed(error);
            }

            return new ScriptGuard(pid, new FileStream(write, FileAccess.Write, bufferSize: 0));
        }
    }

    /// <summary>Tells it the script's process group.</summary>
    public void Watch(int group)
    {
        try
        {
            _alive.Write(Encoding.ASCII.GetBytes(group.ToString(CultureInfo.InvariantCulture) + "\n"));
        }
        catch (IOException)
        {
            // Somebody has killed it; the script is ended by us, or as a crash's.
        }
    }

    /// <summary>Ends it, before the script's number may be another's.</summary>
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

    private static ChannelException Failed(int error) => new(ChannelError.BadConfiguration, ErrorClass.Refused,
        $"/bin/sh cannot be started to guard a script: {Errno.Message(error)}");
}
