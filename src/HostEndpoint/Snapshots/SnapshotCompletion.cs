using System.Security.Cryptography;

namespace ChannelSdk.Host.Snapshots;

/// <summary>What a guest is after a snapshot.</summary>
public enum SnapshotOrigin
{
    /// <summary>The guest that the snapshot was taken of; the snapshot was taken, or was not.</summary>
    GoesOn = 1,
    /// <summary>The same guest, put back to an earlier state: a new generation, the same identity.</summary>
    Restored = 2,
    /// <summary>Another guest: a new generation and a new identity.</summary>
    Cloned = 3,
    /// <summary>The same guest on another host: neither.</summary>
    Migrated = 4,
}

/// <summary>
/// What a guest is told when it goes on. Entropy for its random numbers is added when it is sent. To tell the same copy once more,
/// use the same record: it has the same generation.
/// </summary>
public sealed record SnapshotCompletion
{
    /// <summary>What the guest is.</summary>
    public required SnapshotOrigin Origin { get; init; }

    /// <summary>
    /// Which run of the guest this is (RFC 9562, 16 bytes in network order): no other run of any guest has it. A new random one by default. It is sent of a
    /// restored guest and a clone only.
    /// </summary>
    public Guid Generation { get; init; } = new(RandomNumberGenerator.GetBytes(16));

    /// <summary>Who a clone is; what is null in it the guest makes itself, and null as a whole: all of it.</summary>
    public SnapshotIdentity? Identity { get; init; }

    /// <summary>The guest's wall clock; null: this host's time when it is sent, for a copy, and for a guest that goes on its own.</summary>
    public DateTimeOffset? WallClock { get; init; }

    /// <summary>Whether the guest repairs itself, so that saying it twice does no harm.</summary>
    internal bool IsCopy => Origin is SnapshotOrigin.Restored or SnapshotOrigin.Cloned;
}

/// <summary>Who a clone is.</summary>
public sealed record SnapshotIdentity
{
    /// <summary>machine-id(5); null: the guest derives one from the generation.</summary>
    public Guid? MachineId { get; init; }

    /// <summary>hostname(7), at most 253 characters; null: it stays.</summary>
    public string? HostName { get; init; }

    /// <summary>cloud-init's instance-id, at most 255 characters; null: it is derived from the generation.</summary>
    public string? InstanceId { get; init; }

    /// <summary>Hardware addresses that change, at most 16, each as aa:bb:cc:dd:ee:ff.</summary>
    public IReadOnlyList<AddressChange> Addresses { get; init; } = [];
}

/// <summary>The hardware address of a network interface, which is another one in a clone.</summary>
/// <param name="Present">The one that the interface has in the snapshot.</param>
/// <param name="Next">The one that it gets, of a single station.</param>
public sealed record AddressChange(string Present, string Next);
