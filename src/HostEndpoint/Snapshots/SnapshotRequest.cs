using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Host.Snapshots;

/// <summary>What a snapshot has in it.</summary>
public enum SnapshotKind
{
    /// <summary>Memory, devices and disks: a copy goes on where the snapshot was taken.</summary>
    Memory = 1,
    /// <summary>Disks alone: a copy boots.</summary>
    Disk = 2,
}

/// <summary>How a guest is brought to rest for a snapshot.</summary>
public sealed record SnapshotRequest
{
    /// <summary>What the snapshot will have in it.</summary>
    public SnapshotKind Kind { get; init; } = SnapshotKind.Memory;

    /// <summary>
    /// Whether every process is stopped but the agent, its hooks and what they need, so that no program of a copy runs before the copy
    /// is repaired.
    /// </summary>
    public bool Gate { get; init; } = true;

    /// <summary>Whether file systems are frozen as well.</summary>
    public bool Freeze { get; init; }

    /// <summary>Mount points to be frozen; none: all that can be.</summary>
    public IReadOnlyList<string> Mounts { get; init; } = [];

    /// <summary>When the guest goes on by itself: 1 s to the guest's maximum (10 minutes by default).</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long this session may be without a link before the guest goes on by itself; null: as long as the lease.</summary>
    public TimeSpan? LinkLoss { get; init; }

    /// <exception cref="ArgumentException">A value that is not allowed.</exception>
    internal PrepareRequest ToMessage()
    {
        OptionCheck.Defined(Kind);
        OptionCheck.NoNulls(Mounts);
        var request = new PrepareRequest
        {
            Kind = (Protocol.Services.SnapshotKind)Kind,
            Gate = Gate,
            Freeze = Freeze,
            LeaseMs = Milliseconds(Lease, nameof(Lease)),
            LinkLossMs = LinkLoss is { } loss ? Milliseconds(loss, nameof(LinkLoss)) : 0,
        };
        request.Mounts.AddRange(Mounts);
        return request;
    }

    // The guest says what else is allowed.
    internal static uint Milliseconds(TimeSpan time, string name)
    {
        OptionCheck.Range(time, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), name);
        return (uint)time.TotalMilliseconds;
    }
}
