namespace ChannelSdk.Linux.Processes;

/// <summary>What a program may use, with all that it starts; null for no bound.</summary>
/// <param name="MemoryBytes">Bytes of memory, none of which is swapped.</param>
/// <param name="Tasks">Processes and threads.</param>
/// <param name="CpuPercent">Time of processors: 100 for one.</param>
public sealed record ResourceLimits(long? MemoryBytes, int? Tasks, int? CpuPercent)
{
    /// <summary>The controllers that a bound takes (cgroups(7)).</summary>
    public IReadOnlyList<string> Controllers =>
        [.. MemoryBytes is null ? [] : (string[])["memory"], .. Tasks is null ? [] : (string[])["pids"], .. CpuPercent is null ? [] : (string[])["cpu"]];
}
