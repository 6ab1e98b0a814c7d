using System.Buffers;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>Where the segments of one <see cref="ReplayLog"/> come from and go to. Their memory is the process's pool's.</summary>
/// <param name="wipes">Whether memory is overwritten before it goes back to the pool.</param>
internal sealed class SegmentPool(bool wipes)
{
    /// <summary>Bytes of the first segment of an idle session, which most often needs no more.</summary>
    public const int SmallSegment = 4 << 10;

    private const int LargeSegment = 256 << 10;

    private readonly Stack<Segment> _spares = new(2);

    /// <summary>An empty segment with room for a frame.</summary>
    /// <param name="frameSize">The frame's bytes.</param>
    /// <param name="isFirst">Whether the log holds nothing else.</param>
    public Segment Rent(int frameSize, bool isFirst)
    {
        var segment = _spares.TryPop(out var spare) ? spare : new Segment();
        segment.Buffer = ArrayPool<byte>.Shared.Rent(isFirst && frameSize <= SmallSegment / 4 ? SmallSegment : Math.Max(LargeSegment, frameSize));
        (segment.Acked, segment.Sent, segment.End) = (0, 0, 0);
        return segment;
    }

    /// <summary>A segment of the same content, in other memory.</summary>
    public static Segment Copy(Segment segment)
    {
        var copy = new Segment
        {
            Buffer = ArrayPool<byte>.Shared.Rent(segment.Buffer.Length),
            First = segment.First,
            Acked = segment.Acked,
            Sent = segment.Sent,
            End = segment.End,
        };
        segment.Buffer.AsSpan(0, segment.End).CopyTo(copy.Buffer);
        return copy;
    }

    /// <summary>Takes back a segment that has no reader any more.</summary>
    public void Return(Segment segment)
    {
        ArrayPool<byte>.Shared.Return(segment.Buffer, clearArray: wipes);
        segment.Buffer = [];
        _spares.Push(segment);
    }
}
