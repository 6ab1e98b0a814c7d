using System.Diagnostics;
using System.Globalization;

namespace ChannelSdk.Linux.Processes;

/// <summary>The processes of this machine that have a mark (<see cref="ProcessMark"/>).</summary>
public static class MarkedProcesses
{
    // Processes may start new ones while others are killed, a killed one ends when it is scheduled, and a process between
    // two programs cannot be identified: one that goes from program to program all the time may be between two in most passes.
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(2);

    /// <summary>Numbers of those that have any of the marks now.</summary>
    /// <param name="marks">NAME=value each, all of it.</param>
    /// <exception cref="IOException">There is no /proc.</exception>
    /// <exception cref="UnauthorizedAccessException">/proc may not be listed.</exception>
    public static IReadOnlyList<int> Find(IReadOnlyList<byte[]> marks)
    {
        List<int> found = [];
        foreach (var (id, folder) in Others())
        {
            if (ProcessMark.Look(folder, marks) == MarkSighting.Present)
            {
                found.Add(id);
            }
        }

        return found;
    }

    /// <summary>Kills those that have any of the marks, and those that they start meanwhile; it takes five seconds at most.</summary>
    /// <param name="marks">NAME=value each, all of it.</param>
    /// <returns>Whether none is left.</returns>
    /// <exception cref="IOException">There is no /proc.</exception>
    /// <exception cref="UnauthorizedAccessException">/proc may not be listed.</exception>
    public static bool Kill(IReadOnlyList<byte[]> marks)
    {
        var begin = Stopwatch.GetTimestamp();
        do
        {
            var isLeft = false;
            foreach (var (id, folder) in Others())
            {
                _ = ProcessMark.Kill(id, () =>
                {
                    var sighting = ProcessMark.Look(folder, marks);
                    isLeft |= sighting != MarkSighting.Absent;
                    return sighting == MarkSighting.Present;
                });
            }

            if (!isLeft)
            {
                return true;
            }

            Thread.Sleep(s_pause);
        }
        while (Stopwatch.GetElapsedTime(begin) < s_most);

        return false;
    }

    private static IEnumerable<(int Id, string Folder)> Others()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(folder.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                && id > 1 && id != Environment.ProcessId)
            {
                yield return (id, folder);
            }
        }
    }
}
