using System.Buffers;
using System.Collections.ObjectModel;
using System.Net;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.Metadata.Guest;

/// <summary>What a guest posts of its progress, as events. Null: it is not what it should be.</summary>
internal static class ProgressReader
{
    private const int MaxDepth = 8;
    private const int MaxOrigin = 64;
    private const int MaxName = 256;
    private const int MaxText = 1024;
    private const int MaxFields = 16;

    private static readonly SearchValues<string> s_failures = SearchValues.Create(["FAIL", "FAILURE", "ERROR"], StringComparison.OrdinalIgnoreCase);

    /// <summary>One event of cloud-init's webhook reporter (cloud-init documentation, "Reporting"), or of a script that adds "percent".</summary>
    public static ProgressEvent? FromJson(ReadOnlyMemory<byte> untrusted, DateTimeOffset now)
    {
        try
        {
            using var document = JsonDocument.Parse(untrusted, new JsonDocumentOptions { MaxDepth = MaxDepth });
            var map = document.RootElement;
            if (map.ValueKind != JsonValueKind.Object || Text(map, "name", MaxName) is not { Length: > 0 } name || Phase(map) is not { } phase)
            {
                return null;
            }

            return new ProgressEvent(0, now, Time(map), Text(map, "origin", MaxOrigin) ?? "", name, Text(map, "description", MaxText) ?? "",
                phase, phase == ProgressPhase.Finish ? Result(map) : null, Percent(map), ReadOnlyDictionary<string, string>.Empty);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The form of cloud-init's phone_home module: the boot came to its end.</summary>
    public static ProgressEvent? FromForm(ReadOnlyMemory<byte> untrusted, DateTimeOffset now)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in Encoding.UTF8.GetString(untrusted.Span).Split('&', MaxFields + 1).Take(MaxFields))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                fields[Cut(WebUtility.UrlDecode(pair[..equals]), MaxOrigin)] = Cut(WebUtility.UrlDecode(pair[(equals + 1)..]), MaxText);
            }
        }

        return fields.Count == 0 ? null : new ProgressEvent(0, now, null, "phone_home", "phone_home",
            fields.TryGetValue("hostname", out var host) ? $"{host} is up" : "", ProgressPhase.Finish, ProgressResult.Success, null, fields);
    }

    private static ProgressPhase? Phase(JsonElement map) => Text(map, "event_type", MaxOrigin) switch
    {
        "start" => ProgressPhase.Start,
        "finish" => ProgressPhase.Finish,
        _ => null,
    };

    private static ProgressResult Result(JsonElement map) => Text(map, "result", MaxOrigin) switch
    {
        null => ProgressResult.Success,
        { } word when word.StartsWith("WARN", StringComparison.OrdinalIgnoreCase) => ProgressResult.Warning,
        { } word when s_failures.Contains(word) => ProgressResult.Failure,
        _ => ProgressResult.Success,
    };

    private static DateTimeOffset? Time(JsonElement map)
    {
        // Seconds since 1970 with a fraction; what lies outside of a DateTimeOffset is no time.
        const double mostSeconds = 253402300799;
        return Number(map, "timestamp") is { } seconds && seconds is >= 0 and <= mostSeconds ? DateTimeOffset.UnixEpoch.AddSeconds(seconds) : null;
    }

    private static double? Percent(JsonElement map) => Number(map, "percent") is { } value && value is >= 0 and <= 100 ? value : null;

    private static double? Number(JsonElement map, string key) =>
        map.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? number : null;

    private static string? Text(JsonElement map, string key, int maxLength) =>
        map.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? Cut(value.GetString()!, maxLength) : null;

    // Not between the halves of a surrogate pair.
    private static string Cut(string text, int maxLength) => text.Length <= maxLength ? text
        : text[..(char.IsHighSurrogate(text[maxLength - 1]) ? maxLength - 1 : maxLength)];
}
