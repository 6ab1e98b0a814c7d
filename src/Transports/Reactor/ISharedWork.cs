namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// Work that comes by shared memory. While it comes all the time it is looked for beside the events of descriptors, and its writer need not
/// wake this process; then it says that it sleeps. On the thread that serves descriptors, but for <see cref="HasWork"/>; it throws nothing.
/// </summary>
public interface ISharedWork
{
    /// <summary>Whether there seems to be some; costs a read of memory.</summary>
    bool HasWork { get; }

    /// <summary>Does a turn of it. True: there may be more, which waits until others have had their turn.</summary>
    bool Work();

    /// <summary>Says that its writer has to wake this process from now on. False: there is some meanwhile.</summary>
    bool TrySleep();
}
