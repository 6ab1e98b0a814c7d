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

    private static bool KillOnce(string mark)
    {
        bool found = false;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(folder.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) && pid > 1
                && Array.IndexOf(SmallFile.Read($"{folder}/environ").Split('\0'), mark) >= 0)
            {
                found |= Libc.Kill(pid, Libc.SigKill) == 0;
            }
        }
        return found;
    }
}
