using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Names;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.Install.Images;

/// <summary>The images of a host by their names, in an administrator's file.</summary>
public sealed class ImageCatalog
{
    /// <summary>Where the file is that <c>channelctl install</c> reads.</summary>
    public const string UsualPath = "/etc/channelsdk/images.toml";

    private const string Head = "image";
    private const int MaxMiB = 1 << 30;
    private const int MaxShown = 64;
    private const string Why = "it says what is installed on instances of this host";

    // The words of the formats, as commands take them.
    private static readonly Dictionary<string, ImageFormat> s_formats = Enum.GetValues<ImageFormat>().ToDictionary(static format => format.ToString().ToLowerInvariant());

    private static readonly TomlSettings<Builder> s_file = new(
    [
        new(Head,
        [
            TomlKey.Text<Builder>("name", "1 to 64 letters, digits and - _ .", static (b, name) =>
                !DefinitionName.IsAllowed(name) ? null
                : b.Images.Any(image => image.Name == name) ? throw Wrong($"there is an image {name} already; keep one of the two") : b.With(image => image with { Name = name })),
            TomlKey.Text<Builder>("file", "the absolute path of a file", static (b, path) => Path.IsPathRooted(path) ? b.WithPlace(path) : null),
            TomlKey.Text<Builder>("url", "an http or https URL", static (b, url) => url.Contains("://", StringComparison.Ordinal) ? b.WithPlace(url) : null),
            Option("sha256", "64 hexadecimal digits", ImageRules.IsSum, static (options, sum) => options with { Sha256 = sum }),
            Option("sums", "the absolute path of a file with SHA-256 sums", Path.IsPathRooted, static (options, path) => options with { Sums = path }),
            Option("signature", "the absolute path of a detached signature", Path.IsPathRooted, static (options, path) => options with { Signature = path }),
            Option("keyring", "the absolute path of a keyring", Path.IsPathRooted, static (options, path) => options with { Keyring = path }),
            TomlKey.Text<Builder>("format", string.Join(", ", s_formats.Keys.Select(static word => $"\"{word}\"")), static (b, word) =>
                s_formats.TryGetValue(word, out var format) ? b.With(image => image with { Options = image.Options with { Format = format } }) : null),
            TomlKey.Switch<Builder>("unverified", static (b, isUnverified) => b.With(image => image with { Options = image.Options with { IsUnverified = isUnverified } })),
            TomlKey.Number<Builder>("min_disk", 1, MaxMiB, static (b, mib) => b.With(image => image with { MinDiskMiB = mib })),
            TomlKey.Number<Builder>("min_memory", 1, MaxMiB, static (b, mib) => b.With(image => image with { MinMemoryMiB = mib })),
            TomlKey.List<Builder>("parameters", $"a list of {string.Join(", ", ImageDefinition.ParameterNames)}",
                static name => ImageDefinition.ParameterNames.Contains(name) ? null : $"'{SafeText.Escape(name, MaxShown)}' is no parameter of an image; known are {string.Join(", ", ImageDefinition.ParameterNames)}",
                static (b, names) => b.With(image => image with { Parameters = names })),
            TomlKey.Text<Builder>("notes", "a text", static (b, text) => b.With(image => image with { Notes = text })),
        ])
        {
            Begin = static b => b.Begin(),
            Lacks = static b => b.Lack(),
        },
    ]);

    private readonly Dictionary<string, CatalogImage> _images;
    private readonly string _path;

    private ImageCatalog(string path, IEnumerable<CatalogImage> images) => (_path, _images) = (path, images.ToDictionary(static image => image.Name));

    /// <summary>All of them, in the order of their names.</summary>
    public IReadOnlyList<CatalogImage> Images => [.. _images.Values.OrderBy(static image => image.Name, StringComparer.Ordinal)];

    /// <summary>
    /// Reads a TOML file of at most 64 KiB with a table <c>[[image]]</c> for each image, and in it the keys <c>name</c>, <c>file</c> or <c>url</c>, <c>sha256</c>,
    /// <c>sums</c>, <c>signature</c>, <c>keyring</c>, <c>format</c>, <c>unverified</c>, <c>min_disk</c> and <c>min_memory</c> in MiB, <c>parameters</c> and <c>notes</c>.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <returns>Null if there is no file.</returns>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.BadConfiguration"/>: it cannot be read, others than root and this program's user can change it or a folder above, or
    /// it has mistakes, of which each has a line in the message.
    /// </exception>
    public static ImageCatalog? Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        path = Path.GetFullPath(path);
        var place = Path.GetDirectoryName(path) ?? "/";
        if (!Directory.Exists(place))
        {
            return null;
        }

        using var folder = SourceFolder.Open(place);
        using var file = folder.File(Path.GetFileName(path));
        if (file is null)
        {
            return null;
        }

        folder.RequireTrusted("a file in it says what is installed on instances of this host");
        TrustedOwner.Require(file.Handle, path, Why);
        return Parse(file.Read(TomlReader.MaxBytes), path);
    }

    /// <summary>The image of a name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: there is none, and which there are.</exception>
    public CatalogImage Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _images.TryGetValue(name, out var image) ? image : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
            $"there is no image {SafeText.Escape(name, MaxShown)} in {_path}; {(NearestName.Of(name, _images.Keys) is { } near ? $"did you mean {near}? " : "")}known are {string.Join(", ", Images.Take(32).Select(static image => image.Name))}");
    }

    /// <summary>The catalogue in a file's bytes.</summary>
    internal static ImageCatalog Parse(ReadOnlySpan<byte> utf8, string path) => new(path, s_file.Read(utf8, path, new Builder([])).Images);

    private static TomlKey<Builder> Option(string key, string allowed, Func<string, bool> isAllowed, Func<ImageRules, string, ImageRules> set) =>
        TomlKey.Text<Builder>(key, allowed, (b, text) => isAllowed(text) ? b.With(image => image with { Options = set(image.Options, text) }) : null);

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);

    /// <summary>The images that were read so far; the last is being read.</summary>
    private sealed record Builder(IReadOnlyList<CatalogImage> Images)
    {
        public Builder Begin() => new([.. Images, new CatalogImage()]);

        public Builder With(Func<CatalogImage, CatalogImage> change) => new([.. Images.SkipLast(1), change(Images[^1])]);

        public Builder WithPlace(string place)
        {
            _ = ImageSource.Parse(place);
            return Images[^1].Place.Length > 0 ? throw Wrong("an image has a file or a url, and not both") : With(image => image with { Place = place });
        }

        public string? Lack()
        {
            var image = Images[^1];
            try
            {
                image.Options.Check();
            }
            catch (ChannelException e)
            {
                return e.Message;
            }

            return image.Name.Length == 0 ? "it has no name" : image.Place.Length == 0 ? "it has neither a file nor a url" : null;
        }
    }
}
