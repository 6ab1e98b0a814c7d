namespace ChannelSdk.Transports.Reactor;

/// <summary>Something to be done on the reactor's thread, in its own turn.</summary>
internal interface IReactorWork
{
    /// <summary>Does it; must not throw.</summary>
    void OnReady();
}
