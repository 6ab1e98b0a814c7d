using System.Net.Sockets;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The layout of EC2's instance metadata (AWS user guide, "Instance metadata categories").</summary>
internal static class Ec2Layout
{
    public static void Add(TreeBuilder tree, InstanceMetadata data)
    {
        var entries = Entries(data);
        if (data.Ec2.MetaData is { } own)
        {
            Ec2Overrides.Check(own, entries);
            entries = MergePatch.Apply(entries, own)!.AsObject();
        }

        tree.AddAll("latest/meta-data", entries);
        var index = 0;
        foreach (var (name, key) in data.PublicKeys)
        {
            tree.Add($"latest/meta-data/public-keys/{index}/openssh-key", Resource.OfText(key));
            tree.SetLabel($"latest/meta-data/public-keys/{index}", $"{index}={name}");
            index++;
        }

        if (data.UserData is { } userData)
        {
            tree.Add("latest/user-data", new Resource(userData.ToArray(), Resource.Binary));
        }

        // Always there: without it cloud-init on a guest that looks like Amazon's asks for two minutes.
        tree.Add("latest/dynamic/instance-identity/document", new Resource(JsonText.Write(Identity(data, entries)), Resource.Text));
    }

    private static JsonObject Entries(InstanceMetadata data)
    {
        var entries = new JsonObject();
        void Leaf(string name, string? value)
        {
            if (value is not null)
            {
                entries[name] = value;
            }
        }

        Leaf("ami-id", data.Placement.ImageId);
        Leaf("ami-launch-index", "0");
        Leaf("hostname", data.Hostname);
        Leaf("instance-action", "none");
        Leaf("instance-id", data.InstanceId);
        Leaf("instance-life-cycle", "on-demand");
        Leaf("instance-type", data.Placement.InstanceType);
        Leaf("local-hostname", data.Hostname);
        Leaf("local-ipv4", PrivateAddress(data));
        if (data.Network is { Interfaces: { Count: > 0 } interfaces })
        {
            Leaf("mac", interfaces[0].Mac);
            entries["network"] = new JsonObject { ["interfaces"] = new JsonObject { ["macs"] = Interfaces(data, interfaces) } };
        }

        var placement = new JsonObject { ["availability-zone"] = data.Placement.AvailabilityZone };
        if (data.Placement.Region is { } region)
        {
            placement["region"] = region;
        }

        entries["placement"] = placement;
        return entries;
    }

    private static JsonObject Interfaces(InstanceMetadata data, IReadOnlyList<InterfaceModel> interfaces)
    {
        var macs = new JsonObject();
        foreach (var (number, nic) in interfaces.Index())
        {
            var entry = new JsonObject { ["device-number"] = FormattableString.Invariant($"{number}") };
            var v4 = nic.Addresses.Zip(nic.Subnets).Where(a => a.First.AddressFamily == AddressFamily.InterNetwork).ToArray();
            var v6 = nic.Addresses.Zip(nic.Subnets).Where(a => a.First.AddressFamily == AddressFamily.InterNetworkV6).ToArray();
            if (v6.Length > 0)
            {
                entry["ipv6s"] = string.Join('\n', v6.Select(a => a.First));
            }

            entry["local-hostname"] = data.Hostname;
            if (v4.Length > 0)
            {
                entry["local-ipv4s"] = string.Join('\n', v4.Select(a => a.First));
            }

            entry["mac"] = nic.Mac;
            if (v4.Length > 0)
            {
                entry["subnet-ipv4-cidr-block"] = v4[0].Second.ToString();
            }

            if (v6.Length > 0)
            {
                entry["subnet-ipv6-cidr-blocks"] = string.Join('\n', v6.Select(a => a.Second));
            }

            macs[nic.Mac] = entry;
        }

        return macs;
    }

    // The ids are taken from meta-data: where they differ, cloud-init believes the document.
    private static JsonObject Identity(InstanceMetadata data, JsonObject entries)
    {
        var zone = Text(entries["placement"]?["availability-zone"]) ?? data.Placement.AvailabilityZone;
        return new JsonObject
        {
            ["accountId"] = data.Placement.ProjectId,
            ["architecture"] = "x86_64",
            ["availabilityZone"] = zone,
            ["imageId"] = Text(entries["ami-id"]),
            ["instanceId"] = Text(entries["instance-id"]) ?? data.InstanceId,
            ["instanceType"] = Text(entries["instance-type"]),
            ["privateIp"] = Text(entries["local-ipv4"]),
            ["region"] = Text(entries["placement"]?["region"]) ?? zone,
            ["version"] = "2017-09-30",
        };
    }

    private static string? Text(JsonNode? node) => node is JsonValue value ? value.GetValue<string>() : null;

    private static string? PrivateAddress(InstanceMetadata data) => data.Network?.Interfaces.SelectMany(i => i.Addresses)
        .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork)?.ToString();
}
