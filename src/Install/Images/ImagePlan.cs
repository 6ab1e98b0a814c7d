using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Images;

/// <summary>The image of an operation, after what can be checked before it begins was checked.</summary>
internal sealed record ImagePlan
{
    /// <summary>Where it is.</summary>
    public required ImageSource Source { get; init; }

    /// <summary>How it is checked and read.</summary>
    public required ImageRules Options { get; init; }

    /// <summary>The least bytes of the first disk; 0: as many as the image needs.</summary>
    public long MinDisk { get; init; }

    /// <summary>What writes it.</summary>
    public required OsDefinition Definition { get; init; }

    /// <summary>Finds the image of a record.</summary>
    /// <param name="record">The record, which names one.</param>
    /// <param name="disks">The instance's disks.</param>
    /// <param name="catalog">The host's images; null: it has none.</param>
    /// <param name="onlyCatalog">Whether no others may be installed.</param>
    /// <exception cref="ChannelException">What is missing or wrong.</exception>
    public static ImagePlan Make(InstanceRecord record, IReadOnlyList<TargetDisk> disks, ImageCatalog? catalog, bool onlyCatalog)
    {
        if (disks.Count == 0)
        {
            throw Wrong($"{record.Name} is installed from an image, and that needs a disk to be written to");
        }

        var name = record.OsImage!;
        var plan = name.StartsWith(ImageSource.CatalogPrefix, StringComparison.Ordinal) ? OfCatalog(record, name[ImageSource.CatalogPrefix.Length..], catalog)
            : onlyCatalog ? throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused,
                $"the administrator of this host allows the images of its catalogue only; name one as {ImageSource.CatalogPrefix}NAME")
            : new ImagePlan { Source = ImageSource.Parse(name), Options = record.ImageRules, Definition = ImageDefinition.Load(null) };
        plan.CheckSource();
        plan.CheckDisk(disks[0]);
        return plan;
    }

    /// <summary>What the script is told of the image.</summary>
    /// <param name="device">Where the appliance sees it.</param>
    /// <param name="bytes">How many bytes of the device are the image's.</param>
    /// <param name="hasPackage">Whether a package is to be laid over the system.</param>
    public IEnumerable<KeyValuePair<string, string>> Variables(string device, long bytes, bool hasPackage) =>
    [
        new("IMAGE_PATH", device),
        new("IMAGE_BYTES", bytes.ToString(CultureInfo.InvariantCulture)),
        new("IMAGE_FORMAT", Options.Format.ToString().ToLowerInvariant()),
        new("IMAGE_MIN_DISK", MinDisk.ToString(CultureInfo.InvariantCulture)),
        new("IMAGE_HAS_PACKAGE", hasPackage ? "1" : ""),
    ];

    /// <summary>For a log or an error.</summary>
    public override string ToString() => Source.ToString();

    private static ImagePlan OfCatalog(InstanceRecord record, string name, ImageCatalog? catalog)
    {
        var image = (catalog ?? throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
            $"{record.Name} is installed from the image {name} of the host's catalogue, and there is none; {ImageCatalog.UsualPath} is one, or name it (--images)")).Get(name);
        if (record.ImageRules != new ImageRules())
        {
            throw Wrong($"how the image {name} is checked and read is said in the catalogue; the record of {record.Name} says it too");
        }

        foreach (var key in (string[])["maxmem", "memory"])
        {
            if (record.BackendParameters.TryGetValue(key, out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var mib) && mib < image.MinMemoryMiB)
            {
                throw Wrong($"the image {name} needs {image.MinMemoryMiB} MiB of memory, and {record.Name} has {mib} ({key})");
            }
        }

        return new ImagePlan
        {
            Source = ImageSource.Parse(image.Place),
            Options = image.Options,
            MinDisk = (long)image.MinDiskMiB << 20,
            Definition = ImageDefinition.Load(image.Parameters),
        };
    }

    private void CheckSource()
    {
        if (Source.File is { } path && !File.Exists(path))
        {
            throw Wrong($"there is no image {Source}");
        }

        foreach (var file in (string?[])[Options.Sums, Options.Signature, Options.Keyring])
        {
            if (file is not null && !File.Exists(file))
            {
                throw Wrong($"there is no file {file}, which the image is to be checked with");
            }
        }

        if (Source.Url?.Uri.Scheme == Uri.UriSchemeHttp && !Options.IsChecked && !Options.IsUnverified)
        {
            throw Wrong($"the image {Source} comes by http, where anyone on the way can change it; give its SHA-256 or a signature (--image-sha256, --image-signature), or allow it as it comes (--image-unverified)");
        }
    }

    // A device has no length here, and what is not raw has its size inside: these the appliance looks at.
    private void CheckDisk(TargetDisk disk)
    {
        if (disk.Format == "raw" && new FileInfo(disk.Path).Length is > 0 and var bytes && bytes < MinDisk)
        {
            throw Wrong($"the image {Source} needs a disk of {MinDisk >> 20} MiB, and {disk.Path} has {bytes >> 20}; make it larger");
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
