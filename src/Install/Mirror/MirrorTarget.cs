using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ChannelSdk.Install.Mirror;

/// <summary>Where a request wants to, by its target as the guest wrote it. What two programs may read in two ways is no target.</summary>
/// <param name="Host">A name in lower case, or an address; an IPv6 address in brackets.</param>
/// <param name="Port">1 to 65535.</param>
/// <param name="Path">The decoded path; empty for a tunnel.</param>
/// <param name="Reference">Path and query as they were written; empty for a tunnel.</param>
internal sealed record MirrorTarget(string Host, int Port, string Path, string Reference)
{
    private const string Scheme = "http://";
    private const int HttpPort = 80;
    private const int MaxName = 253;
    private const string NotInUrls = "\"<>\\^`{|}#";

    /// <summary>The target of a request that a proxy forwards: an absolute URL of http. Null: it is none.</summary>
    public static MirrorTarget? OfUrl(string untrusted)
    {
        if (!untrusted.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) || untrusted.Any(static c => c is <= ' ' or > '~' || NotInUrls.Contains(c, StringComparison.Ordinal)))
        {
            return null;
        }

        var rest = untrusted[Scheme.Length..];
        var end = rest.AsSpan().IndexOfAny('/', '?');
        var authority = end < 0 ? rest : rest[..end];
        var reference = end < 0 ? "/" : rest[end] == '?' ? "/" + rest[end..] : rest[end..];
        return MirrorPath.TryDecode(reference.Split('?')[0], out var path) && Authority(authority, HttpPort) is var (host, port)
            ? new MirrorTarget(host, port, path, reference) : null;
    }

    /// <summary>The target of a request for a tunnel: a name or address, and a port. Null: it is none.</summary>
    public static MirrorTarget? OfTunnel(string untrusted) =>
        Authority(untrusted, null) is var (host, port) ? new MirrorTarget(host, port, "", "") : null;

    private static (string Host, int Port)? Authority(string untrusted, int? usualPort)
    {
        var end = untrusted.StartsWith('[') ? untrusted.IndexOf(']', StringComparison.Ordinal) + 1 : untrusted.IndexOf(':', StringComparison.Ordinal);
        end = end < 0 ? untrusted.Length : end;
        var (name, tail) = (untrusted[..end], untrusted[end..]);
        var port = tail.Length == 0 ? usualPort : ReadPort(tail);
        var host = name.StartsWith('[') ? BracketedAddress(name) : IsName(name) ? name.ToLowerInvariant() : null;
        return host is null || port is null ? null : (host, port.Value);
    }

    private static int? ReadPort(string tail) => tail.Length is > 1 and <= 6 && tail[0] == ':' && tail.AsSpan(1).IndexOfAnyExceptInRange('0', '9') < 0
        && int.Parse(tail.AsSpan(1), CultureInfo.InvariantCulture) is > 0 and <= ushort.MaxValue and var port ? port : null;

    private static string? BracketedAddress(string text) =>
        !text.Contains('%', StringComparison.Ordinal) && IPAddress.TryParse(text.AsSpan(1, text.Length - 2), out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? $"[{address}]" : null;

    private static bool IsName(string text) => text.Length is > 0 and <= MaxName && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');
}
