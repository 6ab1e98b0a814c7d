using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Testing;

/// <summary>The HELLO of a peer that is frames only.</summary>
internal static class RawHello
{
    /// <summary>One that is right and offers all. Epochs, nonces, link and chain are those of the test.</summary>
    internal static Hello Of(PeerRole role) => new()
    {
        MinVersion = 1,
        MaxVersion = 1,
        Role = role,
        MaxFrame = SessionOptions.LargestMaxFrame,
        Capabilities = ChannelCapabilities.Offered,
        HeartbeatInterval = 1000,
        StreamCredit = new(1 << 20, 1 << 20, 1 << 20),
        SessionCredit = 1 << 30,
        MaxStreams = new(100, 100, 100),
    };
}
