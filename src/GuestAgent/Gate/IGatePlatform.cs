namespace ChannelSdk.GuestAgent.Gate;

/// <summary>Where the agent is in the hierarchy of control groups. Groups are named by their path in it: "/", or "/a/b".</summary>
/// <param name="Own">The agent's group.</param>
/// <param name="First">The group of PID 1; null if it is not in this hierarchy.</param>
/// <param name="Parent">The group of the agent's parent process, which starts it again; null if it is not in this hierarchy.</param>
internal sealed record GatePlace(string Own, string? First, string? Parent);

/// <summary>What the gate asks of the kernel (control groups of version 2, Linux 5.2 and later: Admin Guide, Control Group v2, cgroup.freeze).</summary>
internal interface IGatePlatform
{
    /// <summary>Where the agent is; null, with the reason, where there is no such hierarchy.</summary>
    GatePlace? Find(out string reason);

    /// <summary>Paths of a group's children; empty if it has gone.</summary>
    IReadOnlyList<string> Children(string group);

    /// <summary>Numbers of the processes in a group itself, without those of the kernel; null if they cannot be read.</summary>
    IReadOnlyList<int>? Processes(string group);

    /// <summary>Whether no process is in a group, nor in one below it.</summary>
    bool IsEmpty(string group);

    /// <summary>Number of the session that a process is in; 0 if it has gone.</summary>
    int SessionOf(int process);

    /// <summary>A process for a person: its number and its name.</summary>
    string Describe(int process);

    /// <summary>Whether a group is to be frozen; null if it has gone, or if this kernel freezes no groups.</summary>
    bool? IsAsked(string group);

    /// <summary>Whether all in a group stand still; also if it has gone.</summary>
    bool IsFrozen(string group);

    /// <summary>Freezes a group or lets it go on; an errno number, 0 for success.</summary>
    int Set(string group, bool isFrozen);

    /// <summary>Waits until something has changed in a group, for a while at most.</summary>
    void Await(string group);

    /// <summary>Processes of a group that the kernel does not let freeze now, for a person; empty if there are none.</summary>
    string Unfreezable(string group);
}
