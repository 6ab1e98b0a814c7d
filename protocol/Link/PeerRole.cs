namespace ChannelSdk.Protocol;

/// <summary>Which side of the channel somebody is.</summary>
public enum PeerRole : byte
{
    /// <summary>Inside the virtual machine.</summary>
    Guest = 1,
    /// <summary>Outside of it.</summary>
    Host = 2,
}
