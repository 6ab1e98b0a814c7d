using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The last check of metadata before they are taken: every layout is made of them once.</summary>
internal static class RenderCheck
{
    /// <summary>The metadata themselves, if every layout can be made of them.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one cannot.</exception>
    public static InstanceMetadata Checked(InstanceMetadata metadata)
    {
        try
        {
            _ = new ResourceTree(new MetadataSnapshot("check", 1, metadata));
            return metadata;
        }
        catch (Exception e) when (e is not (OutOfMemoryException or ChannelException))
        {
            // The exception's own text may hold a value.
            throw DocumentError.At("document", $"no answer for the instance can be made of it ({e.GetType().Name})", e);
        }
    }
}
