namespace ChannelSdk.Host.Workers;

/// <summary>Where the bytes of a guest are read.</summary>
public enum HostIsolation
{
    /// <summary>
    /// In the process of the host manager, beside those of all others: a fault in what reads them reaches the memory of all instances and all rights of
    /// the manager; a guest that makes much work takes time from the thread that serves all of them.
    /// </summary>
    InProcess = 0,

    /// <summary>In a process of the instance's own, which has its descriptors and nothing else of the host.</summary>
    Worker = 1,
}
