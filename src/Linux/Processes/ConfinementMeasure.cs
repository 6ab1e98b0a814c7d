namespace ChannelSdk.Linux.Processes;

/// <summary>What a process does to itself so that it can harm little when it is taken over.</summary>
public enum ConfinementMeasure
{
    /// <summary>It has the descriptors that it was given, and no other (close_range(2)).</summary>
    Descriptors = 0,

    /// <summary>Bounds of its own (setrlimit(2)): no core dump, no file written, and so many descriptors, threads and bytes.</summary>
    ResourceLimits = 1,

    /// <summary>Its root folder is empty and read only (pivot_root(2)).</summary>
    EmptyRoot = 2,

    /// <summary>It has a user and group of its own (setresuid(2)).</summary>
    User = 3,

    /// <summary>It has no capabilities (capabilities(7)).</summary>
    Capabilities = 4,

    /// <summary>It can get no privileges (PR_SET_NO_NEW_PRIVS).</summary>
    NoNewPrivileges = 5,

    /// <summary>Its memory is not dumped, and no process of its user reads it (PR_SET_DUMPABLE).</summary>
    Undumpable = 6,

    /// <summary>It has no right to any file (landlock(7)).</summary>
    Landlock = 7,

    /// <summary>Its system calls are filtered (seccomp(2)).</summary>
    SystemCallFilter = 8,
}
