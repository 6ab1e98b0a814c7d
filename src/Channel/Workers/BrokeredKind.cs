namespace ChannelSdk.Channels.Workers;

/// <summary>What a worker is given when it asks for its next link.</summary>
public enum BrokeredKind
{
    /// <summary>The descriptor of a link.</summary>
    Link = 0,

    /// <summary>The listening socket of a vsock device, once: the worker serves the device.</summary>
    VsockDevice = 1,

    /// <summary>What it makes a link of to a server of vchan.</summary>
    Vchan = 2,
}
