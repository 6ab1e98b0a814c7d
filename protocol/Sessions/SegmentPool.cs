using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>Where the segments of one <see cref="ReplayLog"/> come from and go to.</summary>
/// <param name="buffers">Where their memory comes from.</param>
/// <param name="wipes">Whether memory is overwritten before it goes back to the pool.</param>
internal sealed class SegmentPool(BufferPool buffers, bool wipes)
{
    /// <summary>Bytes of the first segment of an idle session, which most often needs no more.</summary>
    public const int SmallSegment = 4 << 10;

    private const int LargeSegment = 256 << 10;

    private readonly Stack<Segment> _spares = new(2);

    /// <summary>As <see cref="BufferPool.DefersReuse"/>.</summary>
    public bool DefersReuse => buffers.DefersReuse;

    /// <summary>An empty segment with room for a frame.</summary>
    /// <param name="frameSize">The frame's bytes.</param>
    /// <param name="isFirst">Whether the log holds nothing else.</param>
    public Segment Rent(int frameSize, bool isFirst)
    {
        var segment = _spares.TryPop(out var spare) ? spare : new Segment();
        segment.Buffer = buffers.Rent(isFirst && frameSize <= SmallSegment / 4 ? SmallSegment : Math.Max(LargeSegment, frameSize));
        (segment.Acked, segment.Sent, segment.End) = (0, 0, 0);
        return segment;
    }

    /// <summary>A segment of the same content, in other memory.</summary>
    public Segment Copy(Segment segment)
    {
        var copy = new Segment
        {
            Buffer = buffers.Rent(segment.Buffer.Length),
            First = segment.First,
            Acked = segment.Acked,
            Sent = segment.Sent,
            End = segment.End,
        };
        segment.Buffer[..segment.End].CopyTo(copy.Buffer);
        return copy;
    }

    /// <summary>Takes back a segment that has no reader any more.</summary>
    public void Return(Segment segment)
    {
        buffers.Return(segment.Buffer, wipes);
        segment.Buffer = default;
        _spares.Push(segment);
    }
}
