using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Personalization;

/// <summary>
/// The URL of a personalization package: file, http or https, and a name that ends with .tar.gz or .tgz. Or that of a disk's
/// data or of an OS image: http or https.
/// </summary>
internal sealed class PackageUrl
{
    private const int MaxLength = 2048;

    private readonly Content _content;

    private PackageUrl(Uri uri, Content content) => (Uri, _content) = (uri, content);

    private enum Content
    {
        Package,
        Data,
        Image,
    }

    public Uri Uri { get; }

    /// <summary>What is there, for an error.</summary>
    public string What => Describe(_content);

    /// <summary>The form for a log or an error: without query and fragment, which may hold an access key.</summary>
    public override string ToString() => SafeText.Escape(Uri.IsFile ? Uri.LocalPath : Uri.GetLeftPart(UriPartial.Path), MaxLength) + (Uri.Query.Length > 0 ? "?..." : "");

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with it. The URL itself is not in the text, as it may hold credentials.</exception>
    public static PackageUrl Parse(string text) => Parse(text, Content.Package);

    /// <summary>That of a disk's data.</summary>
    /// <exception cref="ChannelException">As for a package.</exception>
    public static PackageUrl ParseData(string text) => Parse(text, Content.Data);

    /// <summary>That of an OS image.</summary>
    /// <exception cref="ChannelException">As for a package.</exception>
    public static PackageUrl ParseImage(string text) => Parse(text, Content.Image);

    private static PackageUrl Parse(string text, Content content)
    {
        var isPackage = content == Content.Package;
        ChannelException Wrong(string why) => PackageUrl.Wrong(content, why);
        if (text.Length > MaxLength || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || !((uri.IsFile && isPackage) || uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps))
        {
            throw Wrong($"it must be an absolute URL that begins with {(isPackage ? "file://, " : "")}http:// or https://");
        }

        if (uri.UserInfo.Length > 0)
        {
            throw Wrong($"it has a user or password in it, and it is stored and shown{(isPackage ? "; give them to the operation beside it" : "")}");
        }

        if (uri.IsFile && uri.Host.Length > 0)
        {
            throw Wrong("a file:// URL has three slashes and an absolute path of this host behind it");
        }

        if (isPackage && !uri.AbsolutePath.EndsWith(".tar.gz", StringComparison.Ordinal) && !uri.AbsolutePath.EndsWith(".tgz", StringComparison.Ordinal))
        {
            throw Wrong("its path must end with .tar.gz or .tgz, which tells the format");
        }

        return new PackageUrl(uri, content);
    }

    /// <summary>Where a server says that it is instead: by the same rules, on a server, and no less private than before.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: what is wrong with the new place, which is not in the text.</exception>
    public PackageUrl Redirect(Uri location)
    {
        try
        {
            var next = Parse(new Uri(Uri, location).AbsoluteUri, _content);
            return next.Uri.IsFile || (Uri.Scheme == Uri.UriSchemeHttps && next.Uri.Scheme != Uri.UriSchemeHttps)
                ? throw Wrong(_content, "it leads from a server to a file, or from https to http") : next;
        }
        catch (Exception e) when (e is ChannelException or UriFormatException or InvalidOperationException)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"the server of {What} {this} redirects to another place, which is refused: {e.Message}", e);
        }
    }

    /// <summary>Whether it is on the same server as another: scheme, name and port (RFC 6454).</summary>
    public bool HasOriginOf(PackageUrl other) => Uri.Scheme == other.Uri.Scheme && Uri.IdnHost == other.Uri.IdnHost && Uri.Port == other.Uri.Port;

    private static string Describe(Content content) => content switch
    {
        Content.Data => "a disk's data",
        Content.Image => "the OS image",
        _ => "the personalization package",
    };

    private static ChannelException Wrong(Content content, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the URL of {Describe(content)}: {text}");
}
