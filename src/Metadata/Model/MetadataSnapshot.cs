namespace ChannelSdk.Metadata.Model;

/// <summary>An instance's metadata at one moment.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Version">Grows by at least 1 with every change of this instance; from 1.</param>
/// <param name="Metadata">The content, secrets included as long as this process has them.</param>
public sealed record MetadataSnapshot(string Instance, long Version, InstanceMetadata Metadata);
