using ChannelSdk.Install.Records;

namespace ChannelSdk.Install.Images;

/// <summary>An image of a host's catalogue.</summary>
public sealed record CatalogImage
{
    /// <summary>Its name: 1 to 64 letters, digits and - _ ., the first a letter, a digit or '_'.</summary>
    public string Name { get; init; } = "";

    /// <summary>Absolute path of its file, or its http or https URL.</summary>
    public string Place { get; init; } = "";

    /// <summary>How it is checked and read.</summary>
    public ImageRules Options { get; init; } = new();

    /// <summary>The least size of the instance's first disk in MiB; 0: as large as the image.</summary>
    public int MinDiskMiB { get; init; }

    /// <summary>The least memory of the instance in MiB; 0: any.</summary>
    public int MinMemoryMiB { get; init; }

    /// <summary>The parameters that an instance may have for it, of those that images take; null: all of these.</summary>
    public IReadOnlyList<string>? Parameters { get; init; }

    /// <summary>What people should know of it.</summary>
    public string Notes { get; init; } = "";
}
