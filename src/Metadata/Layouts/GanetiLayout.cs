using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>
/// The layout of Ganeti's design "OS installation redesign" (doc/design-os), which ganeti-metad serves in part. It is
/// given the scripts that the host put into the instance's metadata, create_untrusted among them, which runs in the appliance.
/// </summary>
internal static class GanetiLayout
{
    private const string Root = "ganeti/latest/";

    public static void Add(TreeBuilder tree, MetadataSnapshot snapshot)
    {
        var os = snapshot.Metadata.Os;
        tree.Add(Root + "meta_data.json", new Resource(JsonText.Write(MetaData(snapshot)), Resource.Json));
        tree.Add(Root + "os/parameters.json", Parameters(os));
        foreach (var (name, script) in os.Scripts)
        {
            tree.Add($"{Root}os/scripts/{name}", Resource.OfText(script, Resource.Binary));
        }

        if (os.PackageFile is { } file)
        {
            // Not listed: whether the file is there is seen when it is asked for.
            tree.AddUnlisted(Root + "os/package", new Resource([], Resource.Binary) { File = file });
        }
    }

    private static JsonObject MetaData(MetadataSnapshot snapshot)
    {
        var data = snapshot.Metadata;
        return new JsonObject
        {
            ["name"] = snapshot.Instance,
            ["instance_id"] = data.InstanceId,
            ["uuid"] = data.Uuid ?? data.InstanceId,
            ["hostname"] = data.Hostname,
            ["availability_zone"] = data.Placement.AvailabilityZone,
            ["version"] = snapshot.Version,
            ["public_keys"] = new JsonObject(data.PublicKeys.Select(k => KeyValuePair.Create(k.Key, (JsonNode?)k.Value))),
            ["meta"] = new JsonObject(data.Meta.Select(m => KeyValuePair.Create(m.Key, (JsonNode?)m.Value))),
            ["network"] = data.Network is { } network ? NetworkDocuments.OpenStack(network) : null,
            ["os"] = new JsonObject
            {
                ["name"] = data.Os.Name,
                ["scripts"] = new JsonArray([.. data.Os.Scripts.Keys.Select(s => JsonValue.Create(s))]),
                ["package"] = data.Os.PackageFile is not null,
            },
        };
    }

    private static Resource Parameters(OsModel os)
    {
        var isOpen = os.SecretAccess == SecretAccess.Open;
        var hasSecrets = os.Parameters.Values.Any(p => p.Class == ParameterClass.Secret && p.HasValue);
        return new Resource(Pairs(os, _ => isOpen), Resource.Json) { Secrets = isOpen || !hasSecrets ? null : new SecretAnswer(os) };
    }

    /// <summary>{"name": [value, "class"]}, as ganeti-metad has it; null for a secret that the request may not have.</summary>
    internal static byte[] Pairs(OsModel os, Func<OsParameter, bool> isShown) => JsonText.Write(new JsonObject(os.Parameters.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)new JsonArray(
        p.Value.Class != ParameterClass.Secret || isShown(p.Value) ? p.Value.Reveal() : null, MetadataWriter.Name(p.Value.Class))))), indented: false);
}
