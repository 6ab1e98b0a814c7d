using System.Buffers.Binary;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// What the peer may send: the credit of the session and of each stream, what of it was consumed, and when more is told
/// (PROTOCOL.md section 6). Streams of class control need none of the session's.
/// </summary>
internal sealed class InboundCredit(SessionOptions options, SessionKeeper? keeper)
{
    private const int CreditFrameSize = FrameHeader.Size + sizeof(long);

    private readonly Queue<SessionStream> _untold = new();
    private int _deadUntold;
    private long _received;
    private long _consumed;

    /// <summary>The session's limit that the peer was told last.</summary>
    public long SessionLimit { get; private set; } = options.SessionWindow;

    /// <summary>When <see cref="Write"/> has something to tell.</summary>
    public long Due { get; private set; } = Link.Never;

    /// <summary>Counts what came on any stream, dead ones too. False: the session has no credit for it.</summary>
    public bool TryReceive(StreamClass streamClass, int cost)
    {
        if (streamClass == StreamClass.Control)
        {
            return true;
        }

        _received += cost;
        return _received <= SessionLimit;
    }

    /// <summary>Counts what a stream's owner is done with.</summary>
    public void Consume(SessionStream stream, int cost)
    {
        stream.Consumed += cost;
        Consume(stream.Class, cost);
        TellIfMuch(stream);
    }

    /// <summary>The peer is told of a stream's credit, once that is a quarter of its window.</summary>
    public void TellIfMuch(SessionStream stream)
    {
        var more = stream.Consumed + options.StreamWindow[stream.Class] - stream.ReceiveLimit;
        if (!stream.RemoteDone && !stream.CreditQueued && more >= options.StreamWindow[stream.Class] / 4)
        {
            Queue(stream);
            Due = 0;
        }
    }

    /// <summary>Counts what no stream has any more.</summary>
    public void Consume(StreamClass streamClass, long cost)
    {
        if (streamClass == StreamClass.Control)
        {
            return;
        }

        _consumed += cost;
        if (HasMuchForSession)
        {
            Due = 0;
        }
    }

    /// <summary>A stream has ended: its unconsumed credit returns to the session.</summary>
    public void OnEnd(SessionStream stream)
    {
        _deadUntold += stream.CreditQueued ? 1 : 0;
        Consume(stream.Class, stream.ReceiveOffset - stream.Consumed);
    }

    /// <summary>
    /// A link may have lost what was told on it. All that was told is absolute, so telling it again does no harm. Initial credit is
    /// not told: the stream's OPEN may still be under way, behind this.
    /// </summary>
    public void Reannounce(IEnumerable<SessionStream> streams)
    {
        foreach (var stream in streams)
        {
            if (!stream.CreditQueued && !stream.RemoteDone && stream.ReceiveLimit > options.StreamWindow[stream.Class])
            {
                Queue(stream);
            }
        }

        Due = 0;
    }

    /// <summary>Writes CREDIT frames, as many as there is space for. A class that is over its rate waits.</summary>
    public int Write(Span<byte> target, InboundLimiter limiter, long now)
    {
        var written = 0;
        Due = Link.Never;
        if (HasMuchForSession && target.Length >= CreditFrameSize)
        {
            SessionLimit = _consumed + options.SessionWindow;
            written += WriteFrame(target, 0, SessionLimit);
        }

        for (var count = _untold.Count; count > 0; count--)
        {
            if (target.Length - written < CreditFrameSize)
            {
                Due = now;
                break;
            }

            var stream = _untold.Dequeue();
            if (stream.IsDead)
            {
                stream.CreditQueued = false;
                _deadUntold--;
                continue;
            }

            var allowedAt = limiter.CreditAllowedAt(stream.Class, now);
            if (allowedAt > now)
            {
                _untold.Enqueue(stream);
                Due = Math.Min(Due, allowedAt);
                continue;
            }

            keeper?.OnChanged(stream);
            stream.CreditQueued = false;
            stream.ReceiveLimit = Math.Max(stream.ReceiveLimit, stream.Consumed + options.StreamWindow[stream.Class]);
            written += WriteFrame(target[written..], stream.Id, stream.ReceiveLimit);
        }

        return written;
    }

    /// <summary>Takes dead streams out of the queue once they are the most of it.</summary>
    public void Trim()
    {
        if (_deadUntold > ReadyQueues.FewDead && _deadUntold > _untold.Count / 2)
        {
            RemoveDead();
        }
    }

    /// <summary>The session has ended; a new one begins. Streams that live on stay.</summary>
    public void Restart()
    {
        RemoveDead();
        (_received, _consumed, SessionLimit, Due) = (0, 0, options.SessionWindow, Link.Never);
    }

    public void Save(ref StateWriter state)
    {
        state.Int64(_received);
        state.Int64(_consumed);
        state.Int64(SessionLimit);
    }

    public void Load(ref StateReader state)
    {
        (_received, _consumed, SessionLimit) = (state.Amount(), state.Amount(), state.Amount());
        StateReader.Require(_consumed <= _received && _received <= SessionLimit && SessionLimit - _consumed <= options.SessionWindow, "more bytes than the session had credit for");
        Due = HasMuchForSession ? 0 : Due;
    }

    /// <summary>Whether the peer is told of the session's credit: not for less than a quarter of the window.</summary>
    private bool HasMuchForSession => _consumed + options.SessionWindow - SessionLimit >= options.SessionWindow / 4;

    private void Queue(SessionStream stream)
    {
        stream.CreditQueued = true;
        _untold.Enqueue(stream);
    }

    private void RemoveDead()
    {
        for (var count = _untold.Count; count > 0; count--)
        {
            var stream = _untold.Dequeue();
            stream.CreditQueued = !stream.IsDead;
            if (stream.CreditQueued)
            {
                _untold.Enqueue(stream);
            }
        }

        _deadUntold = 0;
    }

    private static int WriteFrame(Span<byte> target, uint stream, long limit)
    {
        Span<byte> payload = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(payload, limit);
        return FrameHeader.WriteFrame(target, FrameType.Credit, DataFlags.None, stream, 0, payload);
    }
}
