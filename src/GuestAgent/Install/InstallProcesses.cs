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
    // Somebody may start new ones while the others are killed, a killed one goes when it is scheduled, and one that is between
    // two programs cannot be told.
    private const int MaxRounds = 100;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(1);

    /// <summary>Kills all processes whose half has its socket there.</summary>
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

    /// <summary>Whether another look is worth it.</summary>
    private static bool KillOnce(string mark)
    {
        bool isWorthIt = false;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(folder.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) || pid <= 1)
            {
                continue;
            }
            isWorthIt |= EnvironmentOf(folder) is not { } environment
                || (Array.IndexOf(environment.Split('\0'), mark) >= 0 && Libc.Kill(pid, Libc.SigKill) == 0);
        }
        return isWorthIt;
    }

    /// <summary>
    /// Null for a process in the middle of execve(2): it has its new program's file, but no arguments and no environment to be
    /// known by yet (Linux, fs/binfmt_elf.c, sets them last). Kernel threads and zombies have no file.
    /// </summary>
    private static string? EnvironmentOf(string folder)
    {
        string environment = SmallFile.Read($"{folder}/environ");
        // File.Exists is true for a link to nothing.
        if (environment.Length > 0 || Libc.Access($"{folder}/exe", Libc.ExecuteAccess) != 0)
        {
            return environment;
        }
        // With arguments it is through, and may have got its environment since the look at it.
        return SmallFile.Read($"{folder}/cmdline").Length == 0 ? null : SmallFile.Read($"{folder}/environ");
    }
}
