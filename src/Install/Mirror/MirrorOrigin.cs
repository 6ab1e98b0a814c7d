using System.Net;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Mirror;

/// <summary>A place that appliances may fetch from, and what one operation has fetched from it.</summary>
internal sealed class MirrorOrigin
{
    private readonly string _path;
    private long _requests;
    private long _bytes;

    private MirrorOrigin(bool isTunnel, string host, int port, string path) => (IsTunnel, Host, Port, _path) = (isTunnel, host, port, path);

    /// <summary>Whether it is reached by a tunnel, in which this host reads nothing.</summary>
    public bool IsTunnel { get; }

    /// <summary>As <see cref="MirrorTarget.Host"/>.</summary>
    public string Host { get; }

    public int Port { get; }

    /// <summary>For a connection: an address without its brackets.</summary>
    public DnsEndPoint EndPoint => new(Host.Trim('[', ']'), Port);

    /// <summary>Reads what the administrator allows.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with it.</exception>
    public static MirrorOrigin Parse(Uri url)
    {
        if (!url.IsAbsoluteUri || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps) || url.Host.Length == 0)
        {
            throw Wrong(url, "it must be an absolute URL that begins with http:// or https://");
        }

        if (url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            throw Wrong(url, "it is a scheme, a server and a folder; leave user, password, query and fragment out");
        }

        var isTunnel = url.Scheme == Uri.UriSchemeHttps;
        if (isTunnel && url.AbsolutePath != "/")
        {
            throw Wrong(url, "what an appliance asks an https server is encrypted, so its path cannot be checked; leave the path out, or use http");
        }

        if (!MirrorPath.TryDecode(url.AbsolutePath, out var path))
        {
            throw Wrong(url, "its path has a character in it that some servers take for a slash or a dot");
        }

        var host = url.HostNameType == UriHostNameType.IPv6 ? $"[{IPAddress.Parse(url.IdnHost)}]" : url.IdnHost.ToLowerInvariant();
        return new MirrorOrigin(isTunnel, host, url.Port, path.EndsWith('/') ? path : path + "/");
    }

    /// <summary>Whether a request of a URL may have this target.</summary>
    public bool Allows(MirrorTarget target, bool isTunnel) => IsTunnel == isTunnel && target.Host == Host && target.Port == Port
        && (isTunnel || target.Path.StartsWith(_path, StringComparison.Ordinal));

    /// <summary>Whether all that another allows is allowed here.</summary>
    public bool Covers(MirrorOrigin other) => IsTunnel == other.IsTunnel && Host == other.Host && Port == other.Port && other._path.StartsWith(_path, StringComparison.Ordinal);

    /// <summary>A request that is let through.</summary>
    public void CountRequest() => Interlocked.Increment(ref _requests);

    public void CountBytes(int count) => Interlocked.Add(ref _bytes, count);

    /// <summary>The origin, and what was fetched from it.</summary>
    public override string ToString() =>
        $"{(IsTunnel ? Uri.UriSchemeHttps : Uri.UriSchemeHttp)}://{Host}:{Port}{SafeText.Escape(_path, 256)}: {Interlocked.Read(ref _requests)} requests, {Interlocked.Read(ref _bytes)} bytes";

    // Without user and password, if it has them.
    private static ChannelException Wrong(Uri url, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused,
        $"the mirror {SafeText.Escape(url.IsAbsoluteUri ? url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped) : url.OriginalString, 256)}: {text}");
}
