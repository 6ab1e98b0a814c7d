using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>A pooled buffer of whole frames of the <see cref="ReplayLog"/>: [Acked, Sent) waits for acknowledgement, [Sent, End) waits to be sent.</summary>
internal sealed class Segment
{
    public Memory<byte> Buffer;
    /// <summary>Sequence number of its first frame.</summary>
    public ulong First;
    public int Acked;
    public int Sent;
    public int End;

    /// <summary>Size of the frame that is sent up to <paramref name="position"/> and not further.</summary>
    public int FrameSizeAt(int position) => FrameAt(position).Size;

    /// <summary>Bytes from <paramref name="position"/> to the end of the frame that was begun before it; 0 between two frames.</summary>
    public int FrameRestAt(int position)
    {
        if (position <= Acked || position >= End)
        {
            return 0;
        }

        var (start, size) = FrameAt(position);
        return start == position ? 0 : start + size - position;
    }

    private (int Start, int Size) FrameAt(int position)
    {
        var start = Acked;
        while (true)
        {
            var (size, _) = FrameHeader.ReadOwn(Buffer.Span[start..]);
            if (start + size > position)
            {
                return (start, size);
            }

            start += size;
        }
    }
}
