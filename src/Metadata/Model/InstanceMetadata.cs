using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Model;

/// <summary>
/// What one instance is told of itself: one model, which the EC2, OpenStack, NoCloud and Ganeti faces are made from.
/// It never changes; a change is a new one. docs/METADATA.md has the document that it is read from.
/// </summary>
public sealed record InstanceMetadata
{
    /// <summary>Identity that the first boot of a clone is told by: EC2 <c>instance-id</c>. 1 to 128 visible ASCII characters.</summary>
    public required string InstanceId { get; init; }

    /// <summary>OpenStack's <c>uuid</c>; the instance id if it has none.</summary>
    public string? Uuid { get; init; }

    /// <summary>Host name, short or with its domain.</summary>
    public required string Hostname { get; init; }

    /// <summary>SSH public keys by name, in the order of the document.</summary>
    public IReadOnlyDictionary<string, string> PublicKeys { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>User data for cloud-init, any bytes; null: there is none.</summary>
    public ReadOnlyMemory<byte>? UserData { get; init; }

    /// <summary>The provider's cloud-config; null: there is none.</summary>
    public string? VendorData { get; init; }

    /// <summary>The deployer's cloud-config, which OpenStack has beside the provider's; null: there is none.</summary>
    public string? VendorData2 { get; init; }

    /// <summary>Zone, region, instance type and the like.</summary>
    public PlacementModel Placement { get; init; } = new();

    /// <summary>Network interfaces; null: the guest is told nothing of them.</summary>
    public NetworkModel? Network { get; init; }

    /// <summary>The EC2 face's own settings.</summary>
    public Ec2Model Ec2 { get; init; } = new();

    /// <summary>Files that OpenStack's <c>files</c> lists.</summary>
    public IReadOnlyList<FileModel> Files { get; init; } = [];

    /// <summary>Entropy for the guest's first boot, 1 to 4096 bytes; null: none.</summary>
    public ReadOnlyMemory<byte>? RandomSeed { get; init; }

    /// <summary>The user's own names and values.</summary>
    public IReadOnlyDictionary<string, string> Meta { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>Operating system: parameters, scripts, package.</summary>
    public OsModel Os { get; init; } = new();

    /// <summary>Reads a JSON or YAML document.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the text says where, what, and what is allowed.</exception>
    public static InstanceMetadata Parse(ReadOnlySpan<byte> utf8) => MetadataReader.Read(DocumentText.Parse(utf8));

    /// <summary>As <see cref="Parse(ReadOnlySpan{byte})"/>; a private parameter that comes without its value, as <see cref="ToPublicJson"/> shows it, keeps the known one.</summary>
    /// <param name="utf8">The document.</param>
    /// <param name="known">What the instance has now; null: nothing.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the text says where, what, and what is allowed.</exception>
    public static InstanceMetadata Parse(ReadOnlySpan<byte> utf8, InstanceMetadata? known) => MetadataReader.Read(DocumentText.Parse(utf8), known);

    /// <summary>
    /// This as a document would say it: checked, and with new secret objects, which count as put now.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: no document could say this.</exception>
    internal InstanceMetadata PutNow() => MetadataReader.Read(ToDocument(ParameterClass.Secret));

    /// <summary>This with a JSON merge patch on it (RFC 7386), given as JSON or YAML: null removes a key.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the patch, or what it makes, is not valid.</exception>
    public InstanceMetadata Merge(ReadOnlySpan<byte> patchUtf8)
    {
        var patch = DocumentText.Parse(patchUtf8);
        var merged = MetadataReader.Read(MergePatch.Apply(ToDocument(ParameterClass.Secret), patch)!.AsObject());
        // The same object for what the patch leaves alone: only a value that is given counts as put now.
        return merged.WithSecrets((name, own) =>
            patch["os"]?["parameters"]?[name]?["value"] is null && Os.Parameters.TryGetValue(name, out var known) && own.Equals(known) ? known : own);
    }

    /// <summary>The document as indented JSON, without the values of private and secret parameters.</summary>
    public string ToPublicJson() => JsonText.WriteText(ToDocument(ParameterClass.Public));

    /// <summary>True if a secret parameter has a value.</summary>
    public bool HasSecrets => Os.Parameters.Values.Any(p => p.Class == ParameterClass.Secret && p.HasValue);

    /// <summary>This with its secrets' names and without their values.</summary>
    public InstanceMetadata WithoutSecrets() => HasSecrets ? WithSecrets((_, _) => OsParameter.Secret(null)) : this;

    /// <summary>This with the values that another one has for the secrets that are here without one.</summary>
    internal InstanceMetadata WithSecretsOf(InstanceMetadata other) => WithSecrets((name, own) =>
        !own.HasValue && other.Os.Parameters.TryGetValue(name, out var known) && known.Class == ParameterClass.Secret ? known : own);

    private InstanceMetadata WithSecrets(Func<string, OsParameter, OsParameter> choose) => this with
    {
        Os = Os with
        {
            Parameters = new ReadOnlyOrderedDictionary<OsParameter>(Os.Parameters.Select(p => p.Value.Class == ParameterClass.Secret ? KeyValuePair.Create(p.Key, choose(p.Key, p.Value)) : p)),
        },
    };

    /// <summary>The document, with the values of parameters up to a class.</summary>
    internal JsonObject ToDocument(ParameterClass shown) => MetadataWriter.Write(this, shown);

    /// <summary>Names the instance; nothing of the content.</summary>
    public override string ToString() => $"metadata of {InstanceId}";
}
