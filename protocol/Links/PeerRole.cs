namespace ChannelSdk.Protocol.Links;

/// <summary>The side of the channel.</summary>
public enum PeerRole : byte
{
    /// <summary>Inside the virtual machine.</summary>
    Guest = 1,
    /// <summary>Outside of it.</summary>
    Host = 2,
}
