using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>How far the peer's frames were received: the next number, the chain of checksums over them, and when that is acknowledged.</summary>
internal sealed class InboundSequence(SessionOptions options)
{
    private int _unacknowledged;

    /// <summary>The number of the frame that comes next, of which the wire has the low 32 bits.</summary>
    public ulong Next { get; private set; }

    /// <summary>The chain over all frames before it.</summary>
    public ulong Chain { get; private set; }

    /// <summary>When <see cref="Write"/> has something to tell.</summary>
    public long Due { get; private set; } = Link.Never;

    /// <summary>The halves are paired: the chain begins.</summary>
    public void Begin(ulong chain) => Chain = chain;

    /// <summary>Counts the next frame.</summary>
    public void Add(in FrameHeader header, long now)
    {
        Next++;
        Chain = FrameChain.Add(Chain, header.PayloadCrc, header.HeaderCrc);
        _unacknowledged += FrameHeader.Size + header.Length;
        if (_unacknowledged >= options.AckBytes)
        {
            Due = now;
        }
        else if (Due == Link.Never)
        {
            Due = now + (long)options.AckDelay.TotalMicroseconds;
        }
    }

    /// <summary>A link began: its HELLO has acknowledged all.</summary>
    public void OnEstablished() => Due = Link.Never;

    /// <summary>A link may have lost an acknowledgement.</summary>
    public void Reannounce() => Due = 0;

    /// <summary>Writes an ACK frame if it is time and there is space.</summary>
    public int Write(Span<byte> target, long now)
    {
        if (Due > now || target.Length < FrameHeader.Size)
        {
            return 0;
        }

        (Due, _unacknowledged) = (Link.Never, 0);
        return FrameHeader.WriteFrame(target, FrameType.Ack, DataFlags.None, 0, (uint)Next, []);
    }

    public void Save(ref StateWriter state)
    {
        state.UInt64(Next);
        state.UInt64(Chain);
    }

    public void Load(ref StateReader state) => (Next, Chain) = (state.UInt64(), state.UInt64());

    /// <summary>The session has ended; a new one begins.</summary>
    public void Restart() => (Next, _unacknowledged, Due) = (0, 0, Link.Never);
}
