using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>What is brought to rest.</summary>
/// <param name="Mounts">Mount points of the file systems to freeze; none for all.</param>
internal sealed record FreezeOrder(IReadOnlyCollection<string> Mounts)
{
    /// <summary>Whether unknown mount points are no failure.</summary>
    public bool IgnoreUnknown { get; init; }

    /// <summary>Whether it is no failure if there is no file system to freeze: a snapshot of a guest that has none is as clean.</summary>
    public bool MayBeEmpty => IgnoreUnknown || (IsSnapshot && Mounts.Count == 0);

    /// <summary>Of a snapshot, its kind; without one this is a freeze of file systems and no more.</summary>
    public SnapshotKind Kind { get; init; }

    /// <summary>Whether every other process is stopped.</summary>
    public bool Gate { get; init; }

    /// <summary>Whether file systems are frozen.</summary>
    public bool FileSystems { get; init; } = true;

    /// <summary>Whether it is for a snapshot.</summary>
    public bool IsSnapshot => Kind != SnapshotKind.Unspecified;

    /// <summary>What a hook gets as its second argument; null for none.</summary>
    public string? KindName => Kind switch
    {
        SnapshotKind.Memory => "memory",
        SnapshotKind.Disk => "disk",
        _ => null,
    };
}
