using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Store;

/// <summary>
/// Where the metadata of instances is kept. Names have 1 to 63 characters of a-z, 0-9, dot and hyphen. Reading never
/// blocks on writing. Values of secret parameters are kept in memory only.
/// </summary>
public interface IMetadataStore : IDisposable
{
    /// <summary>The instances that have metadata, by name.</summary>
    IReadOnlyList<string> List();

    /// <summary>The present metadata; null if the instance has none.</summary>
    MetadataSnapshot? Find(string instance);

    /// <summary>
    /// Replaces an instance's metadata, or makes it. It is on disk when this returns. Every secret in it counts as put now,
    /// also one with the value that it had.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed, or no answer for the instance can be made of the metadata. <see cref="ChannelError.FailedPrecondition"/>: it cannot be written.</exception>
    MetadataSnapshot Put(string instance, InstanceMetadata metadata);

    /// <summary>Merges a patch (<see cref="InstanceMetadata.Merge"/>) into an instance's metadata, atomically.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: the instance has none. <see cref="ChannelError.BadConfiguration"/>: the patch or its outcome is not valid.</exception>
    MetadataSnapshot Merge(string instance, ReadOnlySpan<byte> patchUtf8);

    /// <summary>Forgets the values of an instance's secret parameters. True if there were any.</summary>
    bool WipeSecrets(string instance);

    /// <summary>Removes an instance's metadata. True if there was any.</summary>
    bool Remove(string instance);

    /// <summary>Returns as soon as the instance's metadata differs from what the caller knows; null: none.</summary>
    Task WaitChangeAsync(string instance, MetadataSnapshot? known, CancellationToken cancellationToken = default);
}
