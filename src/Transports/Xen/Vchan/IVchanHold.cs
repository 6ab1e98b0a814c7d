using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>A link that an endpoint keeps an eye on, here or in another process.</summary>
internal interface IVchanHold : ITransportLink
{
    /// <summary>By which the client found it.</summary>
    VchanKeys Keys { get; }

    /// <summary>Whether the link is over.</summary>
    bool IsClosed { get; }

    /// <summary>Ends with the link.</summary>
    Task Closed { get; }

    /// <summary>The other domain is known to have gone: what it left can be received, then the end.</summary>
    void LosePeer();
}
