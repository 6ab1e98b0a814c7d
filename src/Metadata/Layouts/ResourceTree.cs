using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>Every answer of one version of an instance's metadata, by canonical path.</summary>
internal sealed class ResourceTree
{
    private readonly Dictionary<string, Resource>.AlternateLookup<ReadOnlySpan<char>> _byPath;

    public ResourceTree(MetadataSnapshot snapshot)
    {
        Snapshot = snapshot;
        var builder = new TreeBuilder();
        Ec2Layout.Add(builder, snapshot.Metadata);
        OpenStackLayout.Add(builder, snapshot.Metadata);
        NoCloudLayout.Add(builder, snapshot.Metadata);
        GanetiLayout.Add(builder, snapshot);
        // As EC2 and Nova do it: the root lists the versions of EC2 only, and without slashes.
        var tree = builder.Build();
        tree[""] = Versions(ApiVersions.Ec2);
        tree["openstack"] = Versions(ApiVersions.OpenStack);
        tree["ganeti"] = Versions(ApiVersions.Ganeti);
        tree.TrimExcess();
        _byPath = tree.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public MetadataSnapshot Snapshot { get; }

    /// <summary>All paths, canonical.</summary>
    public IEnumerable<string> Paths => _byPath.Dictionary.Keys;

    public Resource? Find(ReadOnlySpan<char> canonicalPath) => _byPath.TryGetValue(canonicalPath, out var resource) ? resource : null;

    private static Resource Versions(string[] dated) => Resource.OfText(string.Join('\n', [.. dated, ApiVersions.Latest]));
}
