using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Qga;

/// <summary>Turns what a guest calls an error, and what it leaves out, into this library's errors.</summary>
internal static class QgaErrors
{
    private const int MaxText = 500;

    /// <summary>The exception for the <c>error</c> member of a reply.</summary>
    public static ChannelException Of(JsonElement untrusted, string command)
    {
        var text = SafeText.Escape(UntrustedJson.Text(untrusted, "desc"), MaxText);
        var isMissing = UntrustedJson.Text(untrusted, "class") == "CommandNotFound";
        return isMissing && text.Contains("frozen", StringComparison.Ordinal)
            ? new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"{command}: {text}")
            : isMissing
                ? new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"the guest's qemu-ga does not serve {command}: {text}")
                : new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{command}: {text}");
    }

    /// <summary>The exception for a call of the channel that qemu-ga has nothing for.</summary>
    public static ChannelException Unavailable(string what) => new(ChannelError.Unsupported, ErrorClass.Refused,
        $"this guest has only the QEMU guest agent, which has no way to {what}; install channel-agent in the guest for it");
}
