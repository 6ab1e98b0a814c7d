namespace ChannelSdk.Host.Workers;

/// <summary>What keeps the worker of an instance from the rest of the host.</summary>
public enum WorkerMeasure
{
    /// <summary>A user and a group that no other process of the host has.</summary>
    User = 0,

    /// <summary>No capabilities (capabilities(7)).</summary>
    Capabilities = 1,

    /// <summary>No way to privileges (PR_SET_NO_NEW_PRIVS).</summary>
    NoNewPrivileges = 2,

    /// <summary>No core dump, and no process of the same user reads its memory (PR_SET_DUMPABLE).</summary>
    Undumpable = 3,

    /// <summary>No descriptors but those that it was given.</summary>
    Descriptors = 4,

    /// <summary>Bounds of its descriptors, threads and files (setrlimit(2)).</summary>
    ResourceLimits = 5,

    /// <summary>Namespaces of its own (namespaces(7)): network, processes, mounts, IPC and host name.</summary>
    Namespaces = 6,

    /// <summary>A root folder with nothing in it.</summary>
    EmptyRoot = 7,

    /// <summary>No right to any file or port (landlock(7)).</summary>
    Landlock = 8,

    /// <summary>A filter of its system calls (seccomp(2)).</summary>
    SystemCalls = 9,

    /// <summary>A control group that bounds its memory.</summary>
    Memory = 10,

    /// <summary>A control group that bounds its threads.</summary>
    Tasks = 11,

    /// <summary>A control group that bounds its time of processors.</summary>
    ProcessorTime = 12,
}
