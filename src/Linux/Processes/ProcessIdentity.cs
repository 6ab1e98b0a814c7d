using System.Globalization;

namespace ChannelSdk.Linux.Processes;

/// <summary>A process that can be told from a later one with the same number (proc(5), /proc/PID/stat, field starttime).</summary>
/// <param name="Id">Its number.</param>
/// <param name="StartTime">When it was started, in clock ticks since the machine was.</param>
public readonly record struct ProcessIdentity(int Id, long StartTime)
{
    /// <summary>This process.</summary>
    public static ProcessIdentity Own => Of(Environment.ProcessId) ?? new ProcessIdentity(Environment.ProcessId, 0);

    /// <summary>The process that has a number now; null if there is none.</summary>
    public static ProcessIdentity? Of(int id)
    {
        const int startTime = 19;
        var fields = ProcessStat.Fields($"/proc/{id}");
        return fields.Length > startTime && fields[0] != "Z" && long.TryParse(fields[startTime], CultureInfo.InvariantCulture, out var time)
            ? new ProcessIdentity(id, time) : null;
    }

    /// <summary>Whether it still runs.</summary>
    public bool IsRunning => Of(Id) == this;

    /// <summary>Kills it, if it still runs.</summary>
    public void Kill()
    {
        var meant = this;
        _ = ProcessMark.Kill(Id, () => meant.IsRunning);
    }
}
