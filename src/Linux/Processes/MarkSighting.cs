namespace ChannelSdk.Linux.Processes;

/// <summary>What a look at a process's environment tells of a mark (<see cref="ProcessMark.Look"/>).</summary>
public enum MarkSighting
{
    /// <summary>The process does not have it, or has ended, or may not be read.</summary>
    Absent,

    /// <summary>The process has it.</summary>
    Present,

    /// <summary>The process went from one program to the next meanwhile (execve(2)): only another look can tell.</summary>
    Unclear,
}
