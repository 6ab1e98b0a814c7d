using System.Text.Json.Serialization;
using ChannelSdk.Host.Snapshots;

namespace ChannelSdk.Host.Launch;

/// <summary>What is known of a snapshot.</summary>
public sealed record SnapshotStamp
{
    /// <summary>The form of the folder that this version writes and reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The form of its folder.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>The instance that it was taken of.</summary>
    public required string Instance { get; init; }

    /// <summary>What it has in it.</summary>
    public required SnapshotKind Kind { get; init; }

    /// <summary>When it was taken, by this host's clock.</summary>
    public required DateTimeOffset Taken { get; init; }

    /// <summary>Whether the guest said that no program but its agent ran while it was taken.</summary>
    public bool IsGated { get; init; }

    /// <summary>Whether the guest said that its file systems were frozen.</summary>
    public bool IsFrozen { get; init; }

    /// <summary>Version of the guest's agent, as it says; escaped.</summary>
    public string AgentVersion { get; init; } = "";

    /// <summary>The methods that the guest's agent answers, as it says; escaped.</summary>
    public IReadOnlyList<string> AgentMethods { get; init; } = [];

    /// <summary>In what a machine must be alike to start from it (<see cref="IMachineSnapshots.SaveAsync"/>).</summary>
    public IReadOnlyDictionary<string, string> Machine { get; init; } = new Dictionary<string, string>();

    /// <summary>The disks as they were, which only copies of them may change from then on; each begins a chain that its own header goes on with.</summary>
    public IReadOnlyList<SnapshotDisk> Disks { get; init; } = [];

    /// <summary>Whether <see cref="Disks"/> were copied by a command of the administrator's, which knows where.</summary>
    public bool AreDisksElsewhere { get; init; }

    /// <summary>Hardware addresses of the machine's network interfaces, in their order.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
}

/// <summary>A disk of a snapshot.</summary>
/// <param name="Path">Path of the image or block device.</param>
/// <param name="Format">Its format.</param>
/// <param name="Bytes">Length of its file when the snapshot was taken; 0 of a block device.</param>
/// <param name="Written">When its file was written last by then; null of a block device.</param>
public sealed record SnapshotDisk(string Path, string Format, long Bytes, DateTimeOffset? Written)
{
    /// <summary>A disk as it is now.</summary>
    internal static SnapshotDisk Of(TargetDisk disk) => new FileInfo(disk.Path) is { Exists: true, Attributes: var attributes } file && !attributes.HasFlag(FileAttributes.Device)
        ? new SnapshotDisk(disk.Path, disk.Format, file.Length, file.LastWriteTimeUtc) : new SnapshotDisk(disk.Path, disk.Format, 0, null);

    /// <summary>Without what is known of it.</summary>
    internal TargetDisk ToTarget() => new(Path, Format);
}

/// <summary>Serialization made at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SnapshotStamp))]
internal sealed partial class SnapshotJson : JsonSerializerContext
{
}
