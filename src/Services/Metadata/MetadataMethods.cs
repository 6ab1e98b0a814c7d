using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Metadata;

/// <summary>What a guest asks of its host about its metadata (metadata.proto).</summary>
public static class MetadataMethods
{
    /// <summary>
    /// metadata.Relay, called by the guest: the bytes of one HTTP connection that its agent accepted. Fails with
    /// <see cref="ChannelError.UnknownMethod"/> where the host serves no metadata.
    /// </summary>
    public static StreamMethod<MetadataRelayRequest> Relay { get; } = new("metadata.Relay", StreamClass.Rpc);
}
