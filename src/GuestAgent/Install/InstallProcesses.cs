using System.Globalization;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Runtime.Halves;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// Finds what a script started by the variable that all of it inherits, where there is no control group to kill it by, and
/// what an agent that was killed has left.
/// </summary>
internal static class InstallProcesses
{
    // Somebody may start new ones while the others are killed, and a killed one goes when it is scheduled.
    private const int MaxRounds = 100;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(1);

    // proc_pid_stat(5), counted from the state, which follows the name; PF_KTHREAD of the kernel's sched.h.
    private const int FlagsField = 6;
    private const int EnvironmentEndField = 48;
    private const uint IsKernelThread = 0x0020_0000;

    /// <summary>Kills all processes whose half has its socket there, and waits for a moment until they are dead.</summary>
    public static void Kill(string socket)
    {
        string mark = $"{HalfVariables.Socket}={socket}";
        try
        {
            for (int round = 0; round < MaxRounds && KillOnce(mark); round++)
            {
                Thread.Sleep(s_pause);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc there is the control group, or the program's own process group.
        }
    }

    /// <summary>Whether there is something to look at again.</summary>
    private static bool KillOnce(string mark)
    {
        bool found = false;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(folder.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) || pid <= 1)
            {
                continue;
            }
            string environment = SmallFile.Read($"{folder}/environ");
            found |= environment.Length == 0 ? IsInBetween(folder) : Array.IndexOf(environment.Split('\0'), mark) >= 0 && Libc.Kill(pid, Libc.SigKill) == 0;
        }
        return found;
    }

    /// <summary>Whether a process is between two programs or between its death and its end: then nobody sees its environment.</summary>
    private static bool IsInBetween(string folder)
    {
        string stat = SmallFile.Read($"{folder}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].TrimStart().Split(' ');
        return fields.Length > EnvironmentEndField && fields[0] is not ("Z" or "X") && fields[EnvironmentEndField] == "0"
            && uint.TryParse(fields[FlagsField], CultureInfo.InvariantCulture, out uint flags) && (flags & IsKernelThread) == 0;
    }
}
