using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>JSON Merge Patch (RFC 7386, section 2).</summary>
internal static class MergePatch
{
    /// <summary>The target with the patch on it: null removes, objects merge, everything else replaces. Both stay as they are.</summary>
    public static JsonNode? Apply(JsonNode? target, JsonNode? patch)
    {
        if (patch is not JsonObject changes)
        {
            return patch?.DeepClone();
        }

        var result = target is JsonObject old ? old.DeepClone().AsObject() : [];
        foreach (var (key, change) in changes)
        {
            if (change is null)
            {
                result.Remove(key);
            }
            else
            {
                result[key] = Apply(result[key], change);
            }
        }

        return result;
    }
}
