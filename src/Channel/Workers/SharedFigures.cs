using System.Runtime.InteropServices;

namespace ChannelSdk.Channels.Workers;

/// <summary>What a worker counts, in memory that it writes and its supervisor reads for people alone: any number may be there, and is read as one that can be told.</summary>
/// <param name="memory">Memory of <see cref="Bytes"/> bytes.</param>
internal sealed class SharedFigures(Memory<byte> memory)
{
    /// <summary>Bytes of the memory.</summary>
    public const int Bytes = 64;

    // Sums of these have room, and times are far below the longest of the runtime.
    private const long Most = 1L << 56;

    private Span<long> Numbers => MemoryMarshal.Cast<byte, long>(memory.Span);

    /// <summary>Writes those of now.</summary>
    public void Write(in SessionFacts facts)
    {
        var numbers = Numbers;
        (numbers[0], numbers[1]) = (facts.BytesIn, facts.BytesOut);
        (numbers[2], numbers[3]) = (facts.ReceivePausedUntil, facts.ReceivePauses);
    }

    /// <summary>The guest's heartbeat came, and said what the one before has said.</summary>
    /// <param name="now">When, in microseconds of the monotonic clock.</param>
    /// <param name="roundTrip">Microseconds that one has taken to the guest and back, 0 if it was not measured.</param>
    public void WriteHeartbeat(long now, long roundTrip)
    {
        var numbers = Numbers;
        (numbers[4], numbers[5]) = (now, roundTrip == 0 ? numbers[5] : roundTrip);
    }

    /// <summary>Adds those of now to what is known otherwise.</summary>
    public SessionFacts Read(in SessionFacts facts)
    {
        var untrusted = Numbers;
        return facts with
        {
            BytesIn = Told(untrusted[0]),
            BytesOut = Told(untrusted[1]),
            ReceivePausedUntil = Told(untrusted[2]),
            ReceivePauses = Told(untrusted[3]),
            HeartbeatAt = Told(untrusted[4]),
            RoundTrip = Told(untrusted[5]),
        };
    }

    private static long Told(long untrusted) => Math.Clamp(untrusted, 0, Most);
}
