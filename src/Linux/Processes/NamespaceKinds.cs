namespace ChannelSdk.Linux.Processes;

/// <summary>Kinds of namespaces (namespaces(7)), by the bits of unshare(2).</summary>
[Flags]
public enum NamespaceKinds
{
    /// <summary>Those of the process that starts it.</summary>
    None = 0,

    /// <summary>Mounts: a copy of the maker's.</summary>
    Mount = 0x00020000,

    /// <summary>Host name.</summary>
    HostName = 0x04000000,

    /// <summary>Semaphores, queues and shared memory of System V, and queues of POSIX.</summary>
    Ipc = 0x08000000,

    /// <summary>Processes: the one that is started is number 1 in it, and all others end with it.</summary>
    Process = 0x20000000,

    /// <summary>Network, with nothing in it.</summary>
    Network = 0x40000000,
}
