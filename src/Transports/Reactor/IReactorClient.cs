namespace ChannelSdk.Transports.Reactor;

/// <summary>Something with a file descriptor in the reactor.</summary>
internal interface IReactorClient
{
    /// <summary>Called on the reactor's thread for each edge; may still come once after the registration was removed.</summary>
    /// <param name="events">EPOLL* bits.</param>
    void OnEvents(uint events);
}
