using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Images;

/// <summary>Where an image is: a file of this host, or a server.</summary>
/// <param name="File">Absolute path of the file; null: it is on a server.</param>
/// <param name="Url">The server's place; null: it is a file.</param>
internal sealed record ImageSource(string? File, PackageUrl? Url)
{
    /// <summary>Begins the name of an image of the catalogue.</summary>
    public const string CatalogPrefix = "image:";

    private const int MaxShown = 256;

    /// <summary>The name of its file, by which a file of sums knows it.</summary>
    public string FileName => Path.GetFileName(File ?? Uri.UnescapeDataString(Url!.Uri.AbsolutePath));

    /// <summary>The place that a text names.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is neither an absolute path nor an http or https URL.</exception>
    public static ImageSource Parse(string text)
    {
        if (text.Contains("://", StringComparison.Ordinal))
        {
            return new ImageSource(null, PackageUrl.ParseImage(text));
        }

        return Path.IsPathRooted(text) ? new ImageSource(Path.GetFullPath(text), null) : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
            $"'{SafeText.Escape(text, MaxShown)}' is no image that can be installed: that is the absolute path of a file, an http or https URL, or {CatalogPrefix}NAME for one of the catalogue");
    }

    /// <summary>For a log or an error.</summary>
    public override string ToString() => File is null ? Url!.ToString() : SafeText.Escape(File, MaxShown);
}
