using ChannelSdk.Linux.Files;

namespace ChannelSdk.Linux.Processes;

/// <summary>What the kernel tells of a process in one line (proc(5), /proc/PID/stat).</summary>
public static class ProcessStat
{
    /// <summary>The fields behind the name, which may hold anything: the first is the state, field 3 of the manual.</summary>
    /// <param name="folder">The process's folder in /proc.</param>
    /// <returns>None, if there is no such process.</returns>
    public static string[] Fields(string folder)
    {
        var stat = SmallFile.Read($"{folder}/stat");
        return stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }
}
