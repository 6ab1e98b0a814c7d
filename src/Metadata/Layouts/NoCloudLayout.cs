using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>cloud-init's NoCloud seed below /nocloud/. All four files are always there: each 404 costs the boot ten seconds.</summary>
internal static class NoCloudLayout
{
    public static void Add(TreeBuilder tree, InstanceMetadata data)
    {
        var metaData = new JsonObject { ["instance-id"] = data.InstanceId, ["local-hostname"] = data.Hostname };
        if (data.PublicKeys.Count > 0)
        {
            metaData["public-keys"] = new JsonArray([.. data.PublicKeys.Values.Select(k => JsonValue.Create(k))]);
        }

        // JSON is YAML, and every version reads it.
        tree.Add("nocloud/meta-data", new Resource(JsonText.Write(metaData), Resource.Text));
        tree.Add("nocloud/user-data", new Resource(data.UserData?.ToArray() ?? [], Resource.Binary));
        tree.Add("nocloud/vendor-data", Resource.OfText(data.VendorData ?? ""));
        tree.Add("nocloud/network-config", data.Network is { } network
            ? new Resource(JsonText.Write(NetworkDocuments.CloudInit(network)), Resource.Text) : new Resource([], Resource.Text));
    }
}
