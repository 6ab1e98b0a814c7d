using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;

namespace ChannelSdk.Metadata.Model;

/// <summary>Document to model; everything is checked here, so that no face meets a value that it cannot show.</summary>
internal static class MetadataReader
{
    internal const int MaxScript = 256 * 1024;
    private static readonly string[] s_top =
    [
        "instance_id", "uuid", "hostname", "public_keys", "user_data", "vendor_data", "vendor_data2", "placement",
        "network", "ec2", "files", "random_seed", "meta", "os",
    ];

    /// <param name="document">The document.</param>
    /// <param name="known">Where private parameters without a value have theirs from; null: nowhere.</param>
    public static InstanceMetadata Read(JsonObject document, InstanceMetadata? known = null)
    {
        var top = new DocumentMap(document, "", s_top);
        return new InstanceMetadata
        {
            InstanceId = Identifier(top, "instance_id", top.Required("instance_id", "i-0123456789abcdef0"))!,
            Uuid = Identifier(top, "uuid", top.Line("uuid", 128)),
            Hostname = Hostname(top),
            PublicKeys = Keys(top),
            UserData = top.Bytes("user_data"),
            VendorData = top.Text("vendor_data", DocumentText.MaxBytes),
            VendorData2 = top.Text("vendor_data2", DocumentText.MaxBytes),
            Placement = Placement(top.Map("placement", ["availability_zone", "region", "instance_type", "image_id", "project_id"])),
            Network = NetworkReader.Read(top.Map("network", ["interfaces", "dns", "search"])),
            Ec2 = Ec2(top.Map("ec2", ["tokens", "meta_data"])),
            Files = Files(top),
            RandomSeed = Seed(top),
            Meta = Meta(top),
            Os = Os(top.Map("os", ["name", "parameters", "secret_access", "scripts", "package_file"]), known),
        };
    }

    private static string? Identifier(DocumentMap map, string key, string? text) =>
        text is null || (text.Length <= 128 && text.All(c => c is > ' ' and < '\x7f')) ? text
            : throw DocumentError.At(map.PathOf(key), "it must have 1 to 128 visible ASCII characters without spaces");

    private static string Hostname(DocumentMap top)
    {
        var name = top.Required("hostname", "vm1.example.org");
        return name.Length <= 253 && name.Split('.').All(l => l.Length is >= 1 and <= 63 && l[0] != '-' && l[^1] != '-' && l.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            ? name : throw DocumentError.At(top.PathOf("hostname"), "it must be labels of letters, digits and hyphens with dots between, 63 characters a label and 253 in all");
    }

    // A name becomes a line of the EC2 listing "0=name", so a line end or '=' in it would forge another one.
    private static ReadOnlyOrderedDictionary<string> Keys(DocumentMap top)
    {
        var keys = top.TextMap("public_keys", 16384);
        foreach (var (name, key) in keys)
        {
            if (name.Length is 0 or > 128 || name.Any(c => c is < ' ' or >= '\x7f' or '=' or '/') || name[0] == ' ' || name[^1] == ' ')
            {
                throw DocumentError.At($"{top.PathOf("public_keys")}.{DocumentError.Key(name)}", "a key's name must have 1 to 128 ASCII characters without '=' and '/', spaces only within");
            }

            var line = key.TrimEnd('\n');
            if (line.Length == 0 || line.Any(char.IsControl) || !line.Contains(' ', StringComparison.Ordinal))
            {
                throw DocumentError.At($"{top.PathOf("public_keys")}.{name}", "it must be one line as in authorized_keys, for instance 'ssh-ed25519 AAAA... me'");
            }
        }

        return new ReadOnlyOrderedDictionary<string>(keys.Select(k => KeyValuePair.Create(k.Key, k.Value.TrimEnd('\n'))));
    }

    private static ReadOnlyOrderedDictionary<string> Meta(DocumentMap top)
    {
        var meta = top.TextMap("meta", 4096);
        return meta.Keys.FirstOrDefault(k => k.Length is 0 or > 255 || k.Any(char.IsControl)) is { } wrong
            ? throw DocumentError.At($"{top.PathOf("meta")}.{DocumentError.Key(wrong)}", "a name here must have 1 to 255 characters without control characters") : meta;
    }

    private static PlacementModel Placement(DocumentMap? map) => map is null ? new PlacementModel() : new PlacementModel
    {
        AvailabilityZone = Identifier(map, "availability_zone", map.Line("availability_zone")) ?? new PlacementModel().AvailabilityZone,
        Region = Identifier(map, "region", map.Line("region")),
        InstanceType = Identifier(map, "instance_type", map.Line("instance_type")),
        ImageId = Identifier(map, "image_id", map.Line("image_id")),
        ProjectId = Identifier(map, "project_id", map.Line("project_id")),
    };

    private static Ec2Model Ec2(DocumentMap? map)
    {
        var entries = map?.Object("meta_data");
        if (entries is not null)
        {
            CheckEntries(entries, map!.PathOf("meta_data"));
        }

        return new Ec2Model { Tokens = map?.Choice("tokens", TokenUse.Optional) ?? TokenUse.Optional, MetaData = entries?.DeepClone().AsObject() };
    }

    private static void CheckEntries(JsonObject entries, string path)
    {
        foreach (var (name, value) in entries)
        {
            var place = $"{path}.{DocumentError.Key(name)}";
            if (name.Length is 0 or > 128 || name is "." or ".." || name.Any(c => !(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '@')))
            {
                throw DocumentError.At(place, "a name here must have 1 to 128 characters of letters, digits and - _ . : @");
            }

            switch (value)
            {
                case JsonObject { Count: > 0 } inner:
                    CheckEntries(inner, place);
                    break;
                case JsonValue leaf when leaf.GetValueKind() == JsonValueKind.String:
                    break;
                default:
                    throw DocumentError.At(place, value is JsonValue ? $"it is {DocumentMap.Describe(value)} and must be text (a leaf); put it in quotes"
                        : "it must be text (a leaf) or a mapping with entries (a directory)");
            }
        }
    }

    private static FileModel[] Files(DocumentMap top) => [.. top.Maps("files", ["path", "content"]).Select(file =>
    {
        var path = file.Required("path", "/etc/motd");
        return path.StartsWith('/') ? new FileModel(path, file.Bytes("content") ?? default(ReadOnlyMemory<byte>))
            : throw DocumentError.At(file.PathOf("path"), "it must be an absolute path in the guest, for instance /etc/motd");
    })];

    private static ReadOnlyMemory<byte>? Seed(DocumentMap top) => top.Base64("random_seed") is not { } seed ? default(ReadOnlyMemory<byte>?)
        : seed.Length is >= 1 and <= 4096 ? seed : throw DocumentError.At(top.PathOf("random_seed"), "it must be base64 of 1 to 4096 bytes");

    private static OsModel Os(DocumentMap? map, InstanceMetadata? known)
    {
        if (map is null)
        {
            return new OsModel();
        }

        var package = map.Line("package_file", 4096);
        if (package is not null && !package.StartsWith('/'))
        {
            throw DocumentError.At(map.PathOf("package_file"), "it must be an absolute path on the host");
        }

        var scripts = map.Map("scripts", [.. OsModel.ScriptNames]);
        return new OsModel
        {
            Name = Identifier(map, "name", map.Line("name")),
            Parameters = Parameters(map.Map("parameters", null), known),
            SecretAccess = map.Choice("secret_access", SecretAccess.Token),
            Scripts = scripts is null ? ReadOnlyOrderedDictionary.Empty : map.TextMap("scripts", MaxScript),
            PackageFile = package,
        };
    }

    private static ReadOnlyOrderedDictionary<OsParameter> Parameters(DocumentMap? map, InstanceMetadata? known) => new(map is null ? [] : map.Keys.Select(name =>
    {
        if (name.Length is 0 or > 128 || name.Any(c => !(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')))
        {
            throw DocumentError.At(map.PathOf(name), "a parameter's name must have 1 to 128 characters of letters, digits and - _ .");
        }

        var entry = map.Map(name, ["value", "class"])
            ?? throw DocumentError.At(map.PathOf(name), "it must be a mapping, for instance {value: x, class: public}");
        var parameterClass = entry.Text("class") is null
            ? throw DocumentError.At(entry.PathOf("class"), "it is missing and must be there: public, private or secret") : entry.Choice("class", ParameterClass.Public);
        var value = entry.Text("value", 65536) ?? (parameterClass == ParameterClass.Private ? PrivateOf(known, name) : null);
        return KeyValuePair.Create(name, (parameterClass, value) switch
        {
            (ParameterClass.Secret, _) => OsParameter.Secret(value),
            (_, null) => throw DocumentError.At(entry.PathOf("value"), "it is missing; only a secret parameter can be without a value"),
            (ParameterClass.Private, _) => OsParameter.Private(value),
            _ => OsParameter.Public(value),
        });
    }));

    private static string? PrivateOf(InstanceMetadata? known, string name) =>
        known is not null && known.Os.Parameters.TryGetValue(name, out var found) && found.Class == ParameterClass.Private ? found.Reveal() : null;
}
