using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Model;

/// <summary>Model to document; <see cref="MetadataReader"/> makes the same model of it again.</summary>
internal static class MetadataWriter
{
    public static JsonObject Write(InstanceMetadata data, ParameterClass shown)
    {
        var result = new JsonObject { ["instance_id"] = data.InstanceId };
        Add(result, "uuid", data.Uuid);
        result["hostname"] = data.Hostname;
        Add(result, "public_keys", Map(data.PublicKeys));
        Add(result, "user_data", Bytes(data.UserData));
        Add(result, "vendor_data", data.VendorData);
        Add(result, "vendor_data2", data.VendorData2);
        var placement = new JsonObject { ["availability_zone"] = data.Placement.AvailabilityZone };
        Add(placement, "region", data.Placement.Region);
        Add(placement, "instance_type", data.Placement.InstanceType);
        Add(placement, "image_id", data.Placement.ImageId);
        Add(placement, "project_id", data.Placement.ProjectId);
        result["placement"] = placement;
        Add(result, "network", data.Network is { } network ? Network(network) : null);
        var ec2 = new JsonObject { ["tokens"] = Name(data.Ec2.Tokens) };
        Add(ec2, "meta_data", data.Ec2.MetaData?.DeepClone());
        result["ec2"] = ec2;
        if (data.Files.Count > 0)
        {
            result["files"] = new JsonArray([.. data.Files.Select(f => new JsonObject { ["path"] = f.Path, ["content"] = Bytes(f.Content) })]);
        }

        Add(result, "random_seed", data.RandomSeed is { } seed ? Convert.ToBase64String(seed.Span) : null);
        Add(result, "meta", Map(data.Meta));
        result["os"] = Os(data.Os, shown);
        return result;
    }

    private static JsonObject Network(NetworkModel network)
    {
        var interfaces = network.Interfaces.Select(i =>
        {
            var result = new JsonObject { ["name"] = i.Name, ["mac"] = i.Mac };
            if (i.Addresses.Count > 0)
            {
                result["addresses"] = new JsonArray([.. i.Addresses.Zip(i.Subnets, (a, s) => JsonValue.Create($"{a}/{s.PrefixLength}"))]);
            }

            Add(result, "gateway", i.Gateway?.ToString());
            Add(result, "gateway6", i.Gateway6?.ToString());
            Add(result, "mtu", (long?)i.Mtu);
            if (i.Dhcp)
            {
                result["dhcp"] = true;
            }

            return result;
        });
        var map = new JsonObject { ["interfaces"] = new JsonArray([.. interfaces]) };
        if (network.Dns.Count > 0)
        {
            map["dns"] = new JsonArray([.. network.Dns.Select(d => JsonValue.Create(d))]);
        }

        if (network.Search.Count > 0)
        {
            map["search"] = new JsonArray([.. network.Search.Select(d => JsonValue.Create(d))]);
        }

        return map;
    }

    private static JsonObject Os(OsModel os, ParameterClass shown)
    {
        var result = new JsonObject();
        Add(result, "name", os.Name);
        if (os.Parameters.Count > 0)
        {
            var parameters = new JsonObject();
            foreach (var (name, parameter) in os.Parameters)
            {
                var entry = new JsonObject { ["class"] = Name(parameter.Class) };
                if (parameter.Class <= shown)
                {
                    Add(entry, "value", parameter.Reveal());
                }

                parameters[name] = entry;
            }

            result["parameters"] = parameters;
        }

        result["secret_access"] = Name(os.SecretAccess);
        Add(result, "scripts", Map(os.Scripts));
        Add(result, "package_file", os.PackageFile);
        return result;
    }

    internal static string Name<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static void Add(JsonObject map, string key, JsonNode? value)
    {
        if (value is not null)
        {
            map[key] = value;
        }
    }

    private static JsonObject? Map(IReadOnlyDictionary<string, string> entries) => entries.Count == 0 ? null
        : new JsonObject(entries.Select(e => KeyValuePair.Create(e.Key, (JsonNode?)JsonValue.Create(e.Value))));

    private static JsonNode? Bytes(ReadOnlyMemory<byte>? bytes)
    {
        if (bytes is not { } some)
        {
            return null;
        }

        try
        {
            return JsonValue.Create(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(some.Span));
        }
        catch (DecoderFallbackException)
        {
            return new JsonObject { ["base64"] = Convert.ToBase64String(some.Span) };
        }
    }
}
