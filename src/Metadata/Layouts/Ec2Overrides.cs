using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>
/// Holds a document's own entries of <c>ec2.meta_data</c> against those that the layout has already: they may add to it, and
/// must not make it say two things of one instance, or make a directory of a leaf that clients read.
/// </summary>
internal static class Ec2Overrides
{
    private const string Root = "ec2.meta_data";

    /// <summary>What a key of the document says, by the entry that shows it.</summary>
    private static readonly Dictionary<string, string> s_saidBy = new(StringComparer.Ordinal)
    {
        ["instance-id"] = "instance_id",
        ["hostname"] = "hostname",
        ["local-hostname"] = "hostname",
        ["public-keys"] = "public_keys",
        ["ami-id"] = "placement.image_id",
        ["instance-type"] = "placement.instance_type",
        ["placement.availability-zone"] = "placement.availability_zone",
        ["placement.region"] = "placement.region",
        ["mac"] = "network.interfaces",
        ["local-ipv4"] = "network.interfaces",
    };

    /// <summary>Entries that the layout has for every instance and that no other layout shows.</summary>
    private static readonly string[] s_free = ["ami-launch-index", "instance-action", "instance-life-cycle"];

    /// <param name="own">The document's entries.</param>
    /// <param name="made">What the layout makes of the rest of the document.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>, with the entry's place.</exception>
    public static void Check(JsonObject own, JsonObject made)
    {
        if (own.ContainsKey("public-keys"))
        {
            throw Contradiction("public-keys", s_saidBy["public-keys"]);
        }

        Check(own, made, "");
    }

    private static void Check(JsonObject own, JsonObject made, string path)
    {
        foreach (var (name, value) in own)
        {
            var entry = path.Length == 0 ? name : $"{path}.{name}";
            var found = made[name];
            if (found is JsonObject directory)
            {
                Check(value as JsonObject ?? throw At(entry, "it is a directory of the layout and must be a mapping of entries"), directory, entry);
            }
            else if (found is null ? s_saidBy.ContainsKey(entry) && value is not JsonValue : value is JsonObject)
            {
                throw At(entry, "it is a leaf of the layout and must be text");
            }
            else if (found is not null && !s_free.Contains(entry) && !JsonNode.DeepEquals(found, value))
            {
                throw Contradiction(entry, s_saidBy.GetValueOrDefault(entry, "network.interfaces"));
            }
        }
    }

    private static ChannelException Contradiction(string entry, string key) =>
        At(entry, $"the document says this by '{key}', which every layout shows; change it there and remove this entry");

    private static ChannelException At(string entry, string text) =>
        DocumentError.At($"{Root}.{string.Join('.', entry.Split('.').Select(DocumentError.Key))}", text);
}
