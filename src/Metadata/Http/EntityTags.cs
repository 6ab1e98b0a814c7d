using Microsoft.Extensions.Primitives;

namespace ChannelSdk.Metadata.Http;

/// <summary>If-None-Match (RFC 9110, section 13.1.2).</summary>
internal static class EntityTags
{
    /// <summary>True if one of the header's tags, weak or strong, is the given one, or any would do.</summary>
    public static bool Match(StringValues header, string tag)
    {
        foreach (var value in header)
        {
            foreach (var range in value.AsSpan().Split(','))
            {
                var one = value.AsSpan()[range].Trim();
                one = one.StartsWith("W/", StringComparison.Ordinal) ? one[2..] : one;
                if (one is "*" || one.Trim('"').SequenceEqual(tag))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
