using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The layout of OpenStack's metadata service (Nova, "Metadata service", doc/source/user/metadata).</summary>
internal static class OpenStackLayout
{
    public static void Add(TreeBuilder tree, InstanceMetadata data)
    {
        tree.Add("openstack/latest/meta_data.json", Json(MetaData(data)));
        if (data.UserData is { } userData)
        {
            tree.Add("openstack/latest/user_data", new Resource(userData.ToArray(), Resource.Binary));
        }

        tree.Add("openstack/latest/vendor_data.json", Json(VendorData(data.VendorData)));
        tree.Add("openstack/latest/vendor_data2.json", Json(VendorData(data.VendorData2)));
        if (data.Network is { } network)
        {
            tree.Add("openstack/latest/network_data.json", Json(NetworkDocuments.OpenStack(network)));
        }

        foreach (var (index, file) in data.Files.Index())
        {
            tree.Add($"openstack/content/{ContentName(index)}", new Resource(file.Content.ToArray(), Resource.Binary));
        }
    }

    private static JsonObject MetaData(InstanceMetadata data)
    {
        var result = new JsonObject
        {
            ["uuid"] = data.Uuid ?? data.InstanceId,
            ["name"] = data.Hostname.Split('.')[0],
            ["hostname"] = data.Hostname,
            ["availability_zone"] = data.Placement.AvailabilityZone,
            ["launch_index"] = 0,
        };
        if (data.Placement.ProjectId is { } project)
        {
            result["project_id"] = project;
        }

        if (data.PublicKeys.Count > 0)
        {
            result["public_keys"] = new JsonObject(data.PublicKeys.Select(k => KeyValuePair.Create(k.Key, (JsonNode?)k.Value)));
            result["keys"] = new JsonArray([.. data.PublicKeys.Select(k => new JsonObject { ["name"] = k.Key, ["type"] = "ssh", ["data"] = k.Value })]);
        }

        if (data.Meta.Count > 0)
        {
            result["meta"] = new JsonObject(data.Meta.Select(m => KeyValuePair.Create(m.Key, (JsonNode?)m.Value)));
        }

        if (data.Files.Count > 0)
        {
            // Relative to /openstack, as Nova has it.
            result["files"] = new JsonArray([.. data.Files.Index().Select(f => new JsonObject { ["path"] = f.Item.Path, ["content_path"] = $"/content/{ContentName(f.Index)}" })]);
        }

        if (data.RandomSeed is { } seed)
        {
            result["random_seed"] = Convert.ToBase64String(seed.Span);
        }

        return result;
    }

    // cloud-init takes only this key of the document, and its value as cloud-config.
    private static JsonObject VendorData(string? cloudConfig) => cloudConfig is null ? [] : new JsonObject { ["cloud-init"] = cloudConfig };

    private static string ContentName(int index) => index.ToString("D4", System.Globalization.CultureInfo.InvariantCulture);

    private static Resource Json(JsonNode node) => new(JsonText.Write(node, indented: false), Resource.Json);
}
