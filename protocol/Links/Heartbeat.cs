using System.Buffers.Binary;

namespace ChannelSdk.Protocol.Links;

/// <summary>One heartbeat as the other side sent it.</summary>
/// <param name="State">What the peer is doing.</param>
/// <param name="Until">When that state ends by itself ("frozen until"), if the peer said so.</param>
/// <param name="Detail">A number whose meaning depends on the state, for instance percent while installing.</param>
/// <param name="RoundTrip">Round trip time that this heartbeat allowed to measure, or null.</param>
public readonly record struct Heartbeat(StateWord State, DateTimeOffset? Until, ushort Detail, TimeSpan? RoundTrip);

/// <summary>
/// Payload of a HEARTBEAT frame, 32 bytes (PROTOCOL.md section 8): state u8, zero u8, detail u16, zero u32,
/// until u64 (Unix milliseconds, 0 = none), sent u64 (sender's clock, microseconds), echo u64 (the receiver's own
/// last "sent" plus the time it was held here; 0 = none), so that round trip = now - echo.
/// </summary>
internal static class HeartbeatCodec
{
    public const int Size = 32;
    /// <summary>The last millisecond that DateTimeOffset can hold (year 9999).</summary>
    private const ulong MaxUnixMilliseconds = 253402300799999;

    public static void Write(Span<byte> target, StateWord state, DateTimeOffset? until, ushort detail, long sent, long echo)
    {
        target[..Size].Clear();
        target[0] = (byte)state;
        BinaryPrimitives.WriteUInt16LittleEndian(target[2..], detail);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], until is { } t ? (ulong)Math.Max(1, t.ToUnixTimeMilliseconds()) : 0);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], sent);
        BinaryPrimitives.WriteInt64LittleEndian(target[24..], echo);
    }

    public static bool TryRead(ReadOnlySpan<byte> untrusted, long now, out Heartbeat heartbeat, out long peerSent)
    {
        heartbeat = default;
        peerSent = 0;
        if (untrusted.Length != Size || untrusted[0] > (byte)StateWord.Repairing)
        {
            return false;
        }

        var untrustedUntil = BinaryPrimitives.ReadUInt64LittleEndian(untrusted[8..]);
        if (untrustedUntil > MaxUnixMilliseconds)
        {
            return false;
        }

        var untrustedEcho = BinaryPrimitives.ReadInt64LittleEndian(untrusted[24..]);
        // An echo from the future or of another clock (the peer may lie) is no measurement.
        TimeSpan? roundTrip = untrustedEcho > 0 && untrustedEcho <= now && now - untrustedEcho < 60_000_000
            ? TimeSpan.FromMicroseconds(now - untrustedEcho)
            : null;
        heartbeat = new Heartbeat(
            (StateWord)untrusted[0],
            untrustedUntil == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds((long)untrustedUntil),
            BinaryPrimitives.ReadUInt16LittleEndian(untrusted[2..]),
            roundTrip);
        peerSent = BinaryPrimitives.ReadInt64LittleEndian(untrusted[16..]);
        return true;
    }
}
