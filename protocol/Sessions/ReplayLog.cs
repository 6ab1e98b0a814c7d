using System.Buffers.Binary;
using System.Diagnostics;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// The sequenced frames that were produced and not yet acknowledged, in wire form and wire order, in pooled segments.
/// The transport sends straight from here, so a message is copied once: from its writer to this log.
/// An empty log holds no memory after <see cref="ReleaseIdleMemory"/>. ReplayLog.State.cs has what another process needs to go on with it.
/// </summary>
internal sealed partial class ReplayLog
{
    /// <summary>Size of a RESET frame.</summary>
    public const int AnswerSize = FrameHeader.Size + sizeof(ushort);

    private readonly PeerRole _role;
    private readonly SegmentPool _pool;
    private readonly FrameRest _rest;
    private readonly Queue<Segment> _segments = new(2);
    private Segment? _tail;
    /// <summary>Segment whose memory the transport is sending from; it is not given back before the send has ended.</summary>
    private Segment? _lent;
    private int _lentStart;
    private bool _lentIsReleased;
    private bool _usedSinceTick;
    /// <summary>Whether the link of the present loan goes on when the log was cleared: the frame that it cuts is ended.</summary>
    private bool _endsLentFrame;
    /// <summary>Bytes of the frame at the send cursor that are not sent yet; 0 at a frame boundary.</summary>
    private int _frameRest;

    /// <summary>Makes an empty log.</summary>
    /// <param name="role">This side.</param>
    /// <param name="buffers">Where its memory comes from.</param>
    /// <param name="wipes">Whether memory is overwritten before it goes back to the pool.</param>
    public ReplayLog(PeerRole role, BufferPool buffers, bool wipes)
    {
        _role = role;
        _pool = new SegmentPool(buffers, wipes);
        _rest = new FrameRest(_pool);
    }

    /// <summary>Sequence number of the next frame to be appended.</summary>
    public ulong NextSequence { get; private set; }
    /// <summary>All frames before this one are acknowledged.</summary>
    public ulong Acknowledged { get; private set; }
    /// <summary>Checksum of all acknowledged frames; the session sets it when it begins.</summary>
    public ulong Chain { get; set; }
    /// <summary>Frames before this one may have reached the peer: their bytes were given to a link.</summary>
    public ulong Exposed { get; private set; }
    /// <summary>Bytes held, acknowledged frames not counted.</summary>
    public int Held { get; private set; }
    /// <summary>Bytes of it that end streams of the peer.</summary>
    public int HeldAnswers { get; private set; }
    /// <summary>Bytes that wait to be sent.</summary>
    public int Unsent { get; private set; }
    public bool AtFrameBoundary => _frameRest == 0 && _rest.IsEmpty;

    /// <summary>
    /// Payload of the next frame of a message that has <paramref name="rest"/> bytes left, at most <paramref name="wanted"/>.
    /// A piece that ends its message is never made smaller: its receiver would have to put two together.
    /// </summary>
    public int FitPayload(int wanted, int rest)
    {
        if (_tail is null || wanted == rest)
        {
            return wanted;
        }

        // Filling a segment's end with a shorter frame beats leaving it empty, unless the piece would be tiny.
        var room = _tail.Buffer.Length - _tail.End - FrameHeader.Size;
        return room >= SegmentPool.SmallSegment ? Math.Min(room, wanted) : wanted;
    }

    /// <summary>Adds a frame and returns its place in its segment, for <see cref="Void"/>.</summary>
    public int Append(FrameType type, DataFlags flags, uint stream, ReadOnlySpan<byte> payload)
    {
        var size = FrameHeader.Size + payload.Length;
        if (_tail is null || _tail.Buffer.Length - _tail.End < size)
        {
            if (_tail is { End: 0 })
            {
                _pool.Return(_segments.Dequeue());
            }

            _tail = _pool.Rent(size, isFirst: Held == 0);
            _segments.Enqueue(_tail);
        }

        var place = _tail.End;
        if (place == 0)
        {
            _tail.First = NextSequence;
        }

        FrameHeader.WriteFrame(_tail.Buffer.Span[place..], type, flags, stream, (uint)NextSequence, payload);
        _tail.End += size;
        _usedSinceTick = true;
        NextSequence++;
        Held += size;
        HeldAnswers += IsAnswer(type, stream) ? size : 0;
        Unsent += size;
        return place;
    }

    /// <summary>Adds a flag to a frame that no link was ever given, so that no peer can have read it without.</summary>
    public void Void(ulong sequence, int place)
    {
        Debug.Assert(sequence >= Exposed && sequence < NextSequence, "the frame may be on a link");
        Segment? holder = null;
        foreach (var segment in _segments)
        {
            if (segment.First > sequence)
            {
                break;
            }

            holder = segment;
        }

        FrameHeader.SetFlag(holder!.Buffer.Span[place..], DataFlags.Void, isSo: true);
    }

    /// <summary>The next bytes to send, one contiguous piece; with <paramref name="frameOnly"/> not beyond the frame that was begun.</summary>
    public ReadOnlyMemory<byte> Lend(bool frameOnly)
    {
        if (!_rest.IsEmpty)
        {
            return _rest.Lend();
        }

        foreach (var segment in _segments)
        {
            if (segment.Sent == segment.End)
            {
                continue;
            }

            var length = frameOnly ? Math.Min(_frameRest, segment.End - segment.Sent) : segment.End - segment.Sent;
            (_lent, _lentStart) = (segment, segment.Sent);
            // From now on lent bytes may be on the wire, even if the transport later reports fewer.
            Expose(segment, length);
            return segment.Buffer.Slice(segment.Sent, length);
        }

        return default;
    }

    /// <summary>Ends the loan: so many bytes of it were sent (0 if the link has restarted in between).</summary>
    public void EndLoan(int sent)
    {
        if (_rest.TryEndLoan(sent) || _lent is null)
        {
            return;
        }

        var segment = _lent;
        _lent = null;
        if (_lentIsReleased)
        {
            _lentIsReleased = false;
            _rest.KeepOrReturn(segment, _lentStart + sent, _endsLentFrame ? segment.FrameRestAt(_lentStart + sent) : 0);
            _endsLentFrame = false;
            return;
        }

        // The peer may have acknowledged a part of it before the transport told that it was sent.
        for (var rest = _lentStart + sent - segment.Sent; rest > 0;)
        {
            if (_frameRest == 0)
            {
                _frameRest = FrameHeader.ReadOwn(segment.Buffer.Span[segment.Sent..]).FrameSize;
            }

            var step = Math.Min(rest, _frameRest);
            segment.Sent += step;
            _frameRest -= step;
            rest -= step;
            Unsent -= step;
        }
    }

    /// <summary>Whether an acknowledgement says what an earlier one has said.</summary>
    public bool WasAcknowledged(uint next)
    {
        var behind = (uint)Acknowledged - next;
        return behind is > 0 and <= int.MaxValue && behind <= Acknowledged;
    }

    /// <summary>Whether the frames from the first unacknowledged one to <paramref name="next"/> were given to a link, and give this checksum.</summary>
    public bool Matches(uint next, ulong chain)
    {
        var count = next - (uint)Acknowledged;
        if (Acknowledged + count > Exposed)
        {
            return false;
        }

        var own = Chain;
        foreach (var segment in _segments)
        {
            for (var at = segment.Acked; at < segment.End && count > 0; count--)
            {
                var frame = segment.Buffer.Span[at..];
                own = FrameChain.AddFrame(own, frame);
                at += FrameHeader.ReadOwn(frame).FrameSize;
            }
        }

        return own == chain;
    }

    /// <summary>Drops acknowledged frames. False if <paramref name="next"/> is outside of what was given to a link.</summary>
    public bool Acknowledge(uint next)
    {
        var target = Acknowledged + (next - (uint)Acknowledged);
        if (target > Exposed)
        {
            return false;
        }

        while (Acknowledged < target)
        {
            var segment = _segments.Peek();
            var frame = segment.Buffer.Span[segment.Acked..];
            var (size, _) = FrameHeader.ReadOwn(frame);
            Chain = FrameChain.AddFrame(Chain, frame);
            HeldAnswers -= IsAnswer((FrameType)frame[1], BinaryPrimitives.ReadUInt32LittleEndian(frame[4..])) ? size : 0;
            var unsent = Math.Max(0, segment.Acked + size - segment.Sent);
            segment.Acked += size;
            if (unsent > 0)
            {
                // Acknowledged by a HELLO before it was sent again, or before the transport told that it was sent.
                segment.Sent = segment.Acked;
                Unsent -= unsent;
                _frameRest = 0;
            }

            Held -= size;
            Acknowledged++;
            if (segment.Acked == segment.End)
            {
                DropFirst(segment);
            }
        }

        return true;
    }

    /// <summary>A new link begins: everything that is not acknowledged will be sent again.</summary>
    public void Rewind()
    {
        foreach (var segment in _segments)
        {
            Unsent += segment.Sent - segment.Acked;
            segment.Sent = segment.Acked;
        }

        _frameRest = 0;
        _endsLentFrame = false;
        _rest.Drop();
        // Bytes lent to the link before stay where they are until it returns them, but no longer count as sent.
        if (_lent is not null && !_lentIsReleased)
        {
            DetachLoan();
        }
    }

    /// <summary>Forgets everything: the session is lost. A frame that was begun is completed on its link, if the link still exists.</summary>
    public void Clear()
    {
        _endsLentFrame = _lent is not null && !_lentIsReleased;
        var keepsRest = !_endsLentFrame && _frameRest != 0;
        while (_segments.TryDequeue(out var segment))
        {
            if (keepsRest && segment.Sent < segment.End)
            {
                _rest.KeepOrReturn(segment, segment.Sent, _frameRest);
                keepsRest = false;
            }
            else
            {
                Release(segment);
            }
        }

        _tail = null;
        (NextSequence, Acknowledged, Exposed) = (0, 0, 0);
        (Held, HeldAnswers, Unsent, _frameRest) = (0, 0, 0, 0);
    }

    /// <summary>Gives pooled memory back if nothing was appended since the last call.</summary>
    public void ReleaseIdleMemory()
    {
        if (_usedSinceTick)
        {
            _usedSinceTick = false;
        }
        else if (Held == 0 && _tail is not null && _lent is null)
        {
            _segments.Clear();
            _pool.Return(_tail);
            _tail = null;
        }
    }

    private bool IsAnswer(FrameType type, uint stream) => type == FrameType.Reset && StreamIds.OpenerOf(stream) != _role;

    private void DetachLoan()
    {
        // The lent segment stays in the log; a copy takes its place so that the old memory can be left to the old send.
        var old = _lent!;
        var copy = _pool.Copy(old);
        for (var i = _segments.Count; i > 0; i--)
        {
            var segment = _segments.Dequeue();
            _segments.Enqueue(segment == old ? copy : segment);
        }

        if (_tail == old)
        {
            _tail = copy;
        }

        _lentIsReleased = true;
    }

    private void Expose(Segment segment, int length)
    {
        var position = segment.Sent;
        var end = segment.Sent + length;
        if (end == segment.End && segment == _tail)
        {
            Exposed = NextSequence;
            return;
        }

        // Not at the log's end (a resume, or a full segment): the last frame's sequence tells how far it goes.
        position -= _frameRest == 0 ? 0 : segment.FrameSizeAt(position) - _frameRest;
        while (position < end)
        {
            var (size, sequence) = FrameHeader.ReadOwn(segment.Buffer.Span[position..]);
            Exposed = Math.Max(Exposed, Acknowledged + (sequence - (uint)Acknowledged) + 1);
            position += size;
        }
    }

    private void DropFirst(Segment segment)
    {
        if (segment == _tail && _lent != segment && !_pool.DefersReuse)
        {
            (segment.Acked, segment.Sent, segment.End) = (0, 0, 0);
            return;
        }

        _segments.Dequeue();
        if (segment == _tail)
        {
            _tail = null;
        }

        Release(segment);
    }

    private void Release(Segment segment)
    {
        if (segment == _lent)
        {
            _lentIsReleased = true;
        }
        else
        {
            _pool.Return(segment);
        }
    }
}
