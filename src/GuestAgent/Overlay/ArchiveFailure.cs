using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>The errors of an archive: it is refused as a whole, and the entry is named where one is at fault.</summary>
internal static class ArchiveFailure
{
    private const int MaxShown = 200;

    /// <summary>The archive is no archive.</summary>
    public static ChannelException Broken(string what) =>
        new(ChannelError.InvalidArgument, ErrorClass.Refused, $"the archive is refused: {what}");

    /// <summary>An entry is not allowed.</summary>
    public static ChannelException Entry(ReadOnlySpan<byte> untrustedName, string what, ChannelError code = ChannelError.InvalidArgument) =>
        new(code, ErrorClass.Refused, $"the archive is refused for its entry '{Show(untrustedName)}': {what}");

    /// <summary>A name for messages and logs.</summary>
    public static string Show(ReadOnlySpan<byte> untrustedName) => LogText.Escape(Encoding.UTF8.GetString(untrustedName), MaxShown);
}
