namespace ChannelSdk.Transports.Faulty;

/// <summary>What goes wrong on one link. Offsets count the bytes of that link and direction from 0.</summary>
public sealed record LinkFaults
{
    /// <summary>A link without faults.</summary>
    public static LinkFaults None { get; } = new();

    /// <summary>The link is cut when this many bytes were received; null for never. 0 cuts it as it opens.</summary>
    public long? CutAfterReceived { get; init; }

    /// <summary>The link is cut when this many bytes were sent; null for never. 0 cuts it as it opens.</summary>
    public long? CutAfterSent { get; init; }

    /// <summary>Each receive gives a random 1 to this many bytes; null for no limit, else at least 1.</summary>
    public int? MaxReceive { get; init; }

    /// <summary>Each send takes a random 1 to this many bytes; null for no limit, else at least 1.</summary>
    public int? MaxSend { get; init; }

    /// <summary>The first receive at or after this offset waits <see cref="StallTime"/> before it begins.</summary>
    public long? StallReceiveAt { get; init; }

    /// <summary>The first send at or after this offset waits <see cref="StallTime"/> before it begins.</summary>
    public long? StallSendAt { get; init; }

    /// <summary>How long a stall lasts, by the endpoint's time provider.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The received byte at this offset is changed to another.</summary>
    public long? CorruptReceivedAt { get; init; }

    /// <summary>The sent byte at this offset is changed to another on its way.</summary>
    public long? CorruptSentAt { get; init; }

    /// <summary>
    /// The link begins by receiving again up to this many of the last bytes that the links before received, as
    /// stale bytes in a virtio port do. 0 to 1 MiB.
    /// </summary>
    public int ReplayBytes { get; init; }

    /// <summary>The most that <see cref="ReplayBytes"/> may be.</summary>
    public const int MaxReplayBytes = 1024 * 1024;

    internal void Validate()
    {
        NotNegative(CutAfterReceived, nameof(CutAfterReceived));
        NotNegative(CutAfterSent, nameof(CutAfterSent));
        NotNegative(StallReceiveAt, nameof(StallReceiveAt));
        NotNegative(StallSendAt, nameof(StallSendAt));
        NotNegative(CorruptReceivedAt, nameof(CorruptReceivedAt));
        NotNegative(CorruptSentAt, nameof(CorruptSentAt));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxReceive ?? 1, 1, nameof(MaxReceive));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSend ?? 1, 1, nameof(MaxSend));
        ArgumentOutOfRangeException.ThrowIfLessThan(StallTime, TimeSpan.Zero, nameof(StallTime));
        ArgumentOutOfRangeException.ThrowIfNegative(ReplayBytes, nameof(ReplayBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ReplayBytes, MaxReplayBytes, nameof(ReplayBytes));
    }

    private static void NotNegative(long? value, string name) =>
        ArgumentOutOfRangeException.ThrowIfNegative(value ?? 0, name);
}
