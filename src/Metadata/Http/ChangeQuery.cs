using System.Globalization;

namespace ChannelSdk.Metadata.Http;

/// <summary>The query by which a request waits for change, as Google's metadata server has it: wait_for_change, last_etag, timeout_sec.</summary>
/// <param name="IsWait">Whether it waits at all.</param>
/// <param name="IsValid">False: a value is not allowed.</param>
/// <param name="LastTag">The tag that the client knows; null: it wants the next change.</param>
/// <param name="Timeout">How long at most.</param>
internal readonly record struct ChangeQuery(bool IsWait, bool IsValid, string? LastTag, TimeSpan Timeout)
{
    private const int MaxTag = 64;

    public static ChangeQuery Parse(string query, TimeSpan longest)
    {
        var (isWait, isValid, tag, timeout) = (false, true, (string?)null, longest);
        foreach (var range in query.AsSpan(1).Split('&'))
        {
            var pair = query.AsSpan(1)[range];
            var equals = pair.IndexOf('=');
            var value = equals < 0 ? "" : pair[(equals + 1)..];
            switch (equals < 0 ? pair : pair[..equals])
            {
                case "wait_for_change":
                    isWait = value is "true" or "True" or "1";
                    isValid &= isWait || value is "false" or "False" or "0";
                    break;
                case "last_etag":
                    // Quoted as in the header, or bare as Google's clients have it.
                    tag = Uri.UnescapeDataString(value.Length <= MaxTag ? value : "").Trim('"');
                    break;
                case "timeout_sec":
                    isValid &= int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds);
                    timeout = seconds < longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : longest;
                    break;
            }
        }

        return new ChangeQuery(isWait, isValid, tag, timeout);
    }
}
