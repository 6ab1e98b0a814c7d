using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>The options of channelctl instance set for the image that an instance is installed from.</summary>
internal sealed class ImageOptionSet
{
    private const string CatalogPrefix = "image:";
    private readonly Option<string> _image = new("--os-image", "--image") { Description = "The image that it is installed from, instead of an OS definition: FILE, http(s)://URL, or image:NAME of the host's catalogue; empty: none" };
    private readonly Option<string> _sum = new("--image-sha256") { Description = "SHA-256 of the image as it is stored, 64 hexadecimal digits" };
    private readonly Option<string> _sums = ToolOptions.Path("--image-sums", "A file with SHA-256 sums, of which one is for the image's file name");
    private readonly Option<string> _signature = ToolOptions.Path("--image-signature", "A file with a detached OpenPGP signature of the sums, or of the image where there are none; needs --image-keyring");
    private readonly Option<string> _keyring = ToolOptions.Path("--image-keyring", "A file with the keys whose signatures count, as gpgv reads it");
    private readonly Option<ImageFormat?> _format = ToolOptions.Choice<ImageFormat?>("--image-format", "What the image is; without it as its first bytes say",
        ("auto", ImageFormat.Auto), ("raw", ImageFormat.Raw), ("qcow2", ImageFormat.Qcow2), ("vmdk", ImageFormat.Vmdk), ("vhdx", ImageFormat.Vhdx), ("tar", ImageFormat.Tar));
    private readonly Option<bool> _unverified = ToolOptions.Flag("--image-unverified", "An image from an http URL may be used without a sum or signature");

    /// <summary>Whether an image is named, in place of a definition.</summary>
    public bool IsNamed(ParseResult parsed) => parsed.GetValue(_image) is { Length: > 0 };

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_image, _sum, _sums, _signature, _keyring, _format, _unverified])
        {
            command.Add(option);
        }
    }

    /// <summary>The record with what is given. How one image is checked does not hold for another.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong.</exception>
    public InstanceRecord Apply(InstanceRecord record, ParseResult parsed)
    {
        if (parsed.GetValue(_image) is { } image)
        {
            record = record with { OsImage = image.Length == 0 ? null : Place(image), ImageRules = new ImageRules() };
        }

        var options = record.ImageRules;
        return record with
        {
            ImageRules = options with
            {
                Sha256 = parsed.GetValue(_sum) ?? options.Sha256,
                Sums = Full(parsed.GetValue(_sums)) ?? options.Sums,
                Signature = Full(parsed.GetValue(_signature)) ?? options.Signature,
                Keyring = Full(parsed.GetValue(_keyring)) ?? options.Keyring,
                Format = parsed.GetValue(_format) ?? options.Format,
                IsUnverified = parsed.GetValue(_unverified) || options.IsUnverified,
            },
        };
    }

    private static string Place(string image) => image.StartsWith(CatalogPrefix, StringComparison.Ordinal) || image.Contains("://", StringComparison.Ordinal) ? image
        : ToolOptions.WhyNoPath(image) is { } why ? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"--os-image takes a file, a URL or {CatalogPrefix}NAME; a path {why}")
        : Path.GetFullPath(image);

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);
}
