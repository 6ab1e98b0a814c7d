using ChannelSdk.Channels;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Services.Metadata;

namespace ChannelSdk.Metadata.Relay;

/// <summary>HTTP metadata for a guest that has no network to its host: its agent relays the connections over the channel.</summary>
public static class MetadataRelay
{
    /// <summary>Serves the relayed connections of one instance.</summary>
    /// <param name="services">What the host serves to this instance.</param>
    /// <param name="metadata">The instance at a metadata server. It stays the caller's.</param>
    public static void ServeMetadata(this ServiceRegistry services, MetadataInstance metadata)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(metadata);
        services.Stream(MetadataMethods.Relay,
            async (_, stream, context) => await metadata.AcceptAsync(new ChannelByteStream(stream), context.CancellationToken).ConfigureAwait(false));
    }
}
