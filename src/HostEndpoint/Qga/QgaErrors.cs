using System.Text.Json;
using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Qga;

/// <summary>Turns what a guest calls an error, and what it leaves out, into this library's errors.</summary>
internal static class QgaErrors
{
    private const int MaxText = 500;

    /// <summary>The exception for the <c>error</c> member of a reply.</summary>
    public static ChannelException Of(JsonElement untrusted, string command)
    {
        var text = GuestText.Escape(Text(untrusted, "desc"), MaxText);
        var isMissing = Text(untrusted, "class") == "CommandNotFound";
        return isMissing && text.Contains("frozen", StringComparison.Ordinal)
            ? new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"{command}: {text}")
            : isMissing
                ? new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"the guest's qemu-ga does not serve {command}: {text}")
                : new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{command}: {text}");
    }

    /// <summary>The exception for a call of the channel that qemu-ga has nothing for.</summary>
    public static ChannelException Unavailable(string what) => new(ChannelError.Unsupported, ErrorClass.Refused,
        $"this guest has only the QEMU guest agent, which has no way to {what}; install channel-agent in the guest for it");

    /// <summary>A member that is a text; empty for any other.</summary>
    public static string Text(JsonElement untrusted, string name) =>
        untrusted.ValueKind == JsonValueKind.Object && untrusted.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? SafeText(value) : "";

    /// <summary>A member that is a whole number; null for any other.</summary>
    public static long? Number(JsonElement untrusted, string name) =>
        untrusted.ValueKind == JsonValueKind.Object && untrusted.TryGetProperty(name, out var value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    /// <summary>Whether a member is true.</summary>
    public static bool IsTrue(JsonElement untrusted, string name) =>
        untrusted.ValueKind == JsonValueKind.Object && untrusted.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    /// <summary>The items of an array, at most so many; none of anything else.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement untrusted, int most) =>
        untrusted.ValueKind == JsonValueKind.Array ? untrusted.EnumerateArray().Take(most) : [];

    /// <summary>The items of a member that is an array.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement untrusted, string name, int most) =>
        untrusted.ValueKind == JsonValueKind.Object && untrusted.TryGetProperty(name, out var value) ? Items(value, most) : [];

    private static string SafeText(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // An escape that is half of a pair.
            return "";
        }
    }
}
