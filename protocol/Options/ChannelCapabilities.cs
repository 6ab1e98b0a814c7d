namespace ChannelSdk.Protocol.Options;

/// <summary>Named capabilities: bits of the HELLO; a feature is used when both sides offer its bit (PROTOCOL.md section 4).</summary>
public static class ChannelCapabilities
{
    /// <summary>"resume": frames are kept until acknowledged, and a session survives its link.</summary>
    public const ulong Resume = 1 << 0;
    /// <summary>"rpc": streams carry the calls of PROTOCOL.md section 10.</summary>
    public const ulong Rpc = 1 << 1;

    /// <summary>What this implementation offers.</summary>
    public const ulong Offered = Resume | Rpc;

    /// <summary>The names of the bits that are set, for people.</summary>
    public static string[] Names(ulong capabilities) =>
        [.. (ReadOnlySpan<string>)((capabilities & Resume) != 0 ? ["resume"] : []), .. (ReadOnlySpan<string>)((capabilities & Rpc) != 0 ? ["rpc"] : [])];
}
