using System.Globalization;
using System.Text;
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
        byte[] mark = Encoding.UTF8.GetBytes($"{HalfVariables.Socket}={socket}");
        byte[] memory = new byte[ProcessMark.Memory];
        try
        {
            for (int round = 0; round < MaxRounds && KillOnce(mark, memory); round++)
            {
                Thread.Sleep(s_pause);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc there is the control group, or the program's own process group.
        }
        finally
        {
            // The environment of a script has its secret parameters.
            Array.Clear(memory);
        }
    }

    /// <summary>Whether another look is worth it.</summary>
    private static bool KillOnce(byte[] mark, byte[] memory)
    {
        bool isWorthIt = false;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(folder.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) || pid <= 1)
            {
                continue;
            }
            bool isBetween = false;
            isWorthIt |= ProcessMark.Kill(pid, () =>
            {
                // One look tells: what is between two programs now was not a moment ago.
                bool? isMarked = ProcessMark.IsOn(folder, mark, memory);
                isBetween = isMarked is null && IsBetweenPrograms(folder);
                return isMarked ?? (!isBetween && ProcessMark.IsOn(folder, mark, memory) == true);
            });
            isWorthIt |= isBetween;
        }
        return isWorthIt;
    }

    /// <summary>
    /// Whether a process without an environment is in the middle of execve(2): it has its new program's file, but no arguments and no
    /// environment to be known by yet (Linux, fs/binfmt_elf.c, sets them last). Kernel threads and zombies have no file.
    /// </summary>
    private static bool IsBetweenPrograms(string folder) =>
        // File.Exists is true for a link to nothing. With arguments it is through, and may have got its environment since the look at it.
        Libc.Access($"{folder}/exe", Libc.ExecuteAccess) == 0 && SmallFile.Read($"{folder}/cmdline").Length == 0;
}
