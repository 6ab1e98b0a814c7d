using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// What is sent next: the link's own frames first, then control before rpc before bulk, round robin within a class.
/// Frames are produced only as far ahead as <see cref="SessionOptions.OutputBatch"/>, so that priority means something.
/// </summary>
public sealed partial class Session
{
    private enum Loan : byte { None, Link, Log }

    private enum Progress : byte { Made, NoCredit, NoRoom, Nothing }

    private Loan _loan;
    private bool _isProducing;
    private long _sendSession;
    private long _sendSessionLimit;

    /// <summary>The next bytes to send, or none. The memory is stable until <see cref="AdvanceOutput"/>, which must follow once the send has ended.</summary>
    public ReadOnlyMemory<byte> GetOutput(long now)
    {
        if (_link is null)
        {
            return default;
        }

        var own = _link.Output(now);
        if (own.Length != 0 && _log.AtFrameBoundary)
        {
            _loan = Loan.Link;
            return own;
        }

        if (!IsEstablished && (own.Length == 0 || _log.AtFrameBoundary))
        {
            return default;
        }

        if (IsEstablished && own.Length == 0)
        {
            Produce();
        }

        // On a link that has failed a frame that was begun is ended, so that the goodbye behind it is read.
        var frames = _log.Lend(frameOnly: !IsEstablished || own.Length != 0);
        _loan = frames.Length != 0 ? Loan.Log : Loan.None;
        return frames;
    }

    /// <summary>So many bytes of what <see cref="GetOutput"/> gave were sent.</summary>
    public void AdvanceOutput(int count) => EndLoan(count);

    private void EndLoan(int count)
    {
        switch (_loan)
        {
            case Loan.Link:
                _link?.AdvanceOutput(count);
                break;
            case Loan.Log:
                _log.EndLoan(count);
                break;
        }

        _loan = Loan.None;
    }

    private void Produce()
    {
        _isProducing = true;
        for (var streamClass = StreamClass.Control; streamClass <= StreamClass.Bulk; streamClass++)
        {
            while ((streamClass == StreamClass.Control || IsBelowOutputBatch) && _ready.TryPeek(streamClass, out var stream))
            {
                if (!ProduceTurn(stream))
                {
                    break;
                }
            }
        }

        _isProducing = false;
    }

    /// <summary>One frame of the stream whose turn it is. False if its class has to wait for room in the log.</summary>
    private bool ProduceTurn(SessionStream stream)
    {
        if (stream.IsDead)
        {
            _ready.Remove(stream.Class);
            return true;
        }

        _keeper?.OnChanged(stream);
        if (stream.NeedsOpen)
        {
            if (!HasRoom(stream.Class, stream.PendingHeader!.Length))
            {
                return false;
            }

            ProduceOpen(stream, stream.PendingHeader, stream.PendingHeaderFin);
            stream.PendingHeader = null;
        }

        if (stream.Deficit <= 0)
        {
            stream.Deficit += ReadyQueues.Quantum;
            if (stream.Deficit <= 0)
            {
                _ready.Rotate(stream.Class);
                return true;
            }
        }

        var progress = ProduceData(stream);
        if (progress == Progress.NoRoom)
        {
            return false;
        }

        if (progress != Progress.Made)
        {
            _ready.Remove(stream.Class);
            return true;
        }

        if (!stream.HasPending)
        {
            // The stream keeps its place while it is told: it may write on within its turn.
            _handler.OnWriteDone(stream);
            CloseIfDone(stream);
        }

        if (!stream.HasPending || stream.IsDead)
        {
            _ready.Remove(stream.Class);
        }
        else if (stream.Deficit <= 0)
        {
            _ready.Rotate(stream.Class);
        }

        return true;
    }

    /// <summary>One DATA frame from the pending write, copied from the writer's memory into the log.</summary>
    private Progress ProduceData(SessionStream stream)
    {
        if (!stream.HasPending)
        {
            return Progress.Nothing;
        }

        var rest = stream.Pending.Length;
        var credit = stream.SendCredit;
        if (stream.Class != StreamClass.Control)
        {
            credit = Math.Min(credit, _sendSessionLimit - _sendSession);
        }

        // Even one byte goes if no more is allowed: the receiver decides in what steps it gives credit, and may wait for it.
        if (credit < FrameHeader.Size + Math.Min(rest, 1))
        {
            return Progress.NoCredit;
        }

        var piece = (int)Math.Min(Math.Min(rest, _peerMaxFrame), credit - FrameHeader.Size);
        piece = _log.FitPayload(piece, rest);
        if (!HasRoom(stream.Class, piece))
        {
            return Progress.NoRoom;
        }

        var flags = piece < rest ? DataFlags.More : stream.PendingFlags;
        _log.Append(FrameType.Data, flags, stream.Id, stream.Pending.Span[..piece]);
        stream.Pending = stream.Pending[piece..];
        stream.SendOffset += FrameHeader.Size + piece;
        stream.Deficit -= FrameHeader.Size + piece;
        if (stream.Class != StreamClass.Control)
        {
            _sendSession += FrameHeader.Size + piece;
        }

        if (piece == rest)
        {
            stream.HasPending = false;
            stream.Pending = default;
            stream.LocalDone = (flags & DataFlags.Fin) != 0;
        }

        return Progress.Made;
    }

    private void ProduceOpen(SessionStream stream, ReadOnlySpan<byte> header, bool fin)
    {
        stream.Id = _idsHere.Next(_role, stream.Class, _streams);
        stream.FirstSequence = _log.NextSequence;
        stream.SendLimit = _peerStreamCredit[stream.Class];
        stream.ReceiveLimit = _options.StreamWindow[stream.Class];
        stream.FinGiven |= fin;
        stream.LocalDone = fin;
        _streams.Add(stream.Id, stream);
        stream.OpenOffset = _log.Append(FrameType.Open, fin ? DataFlags.Fin : DataFlags.None, stream.Id, header);
    }

    /// <summary>
    /// Tells the peer that a stream has ended. A stream that no link ever had is not opened there at all: its owner is told
    /// that it did not run, and a reset behind its frames would come too late for that.
    /// </summary>
    private void ProduceEnd(SessionStream stream, ChannelError code)
    {
        if (stream.LocalOpened && stream.FirstSequence >= _log.Exposed)
        {
            _log.Void(stream.FirstSequence, stream.OpenOffset);
        }
        else
        {
            ProduceReset(stream.Id, code);
        }
    }

    private void ProduceReset(uint id, ChannelError code)
    {
        Span<byte> payload = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(payload, (ushort)code);
        _log.Append(FrameType.Reset, DataFlags.None, id, payload);
    }

    /// <summary>
    /// Whether one more stream of the peer can be answered: all that it has open, and this one, may end in a reset. Resets
    /// have the last eighth of the log to themselves, so nothing that this side sends can take their room.
    /// </summary>
    private bool HasRoomForAnswers
    {
        get
        {
            var open = _openedThere[0] + _openedThere[1] + _openedThere[2] + 1;
            var mayBeOpen = _options.MaxStreams.Control + _options.MaxStreams.Rpc + _options.MaxStreams.Bulk;
            return _log.HeldAnswers + open * ReplayLog.AnswerSize <= Math.Max(_options.ReplayBytes / 8, 2 * mayBeOpen * ReplayLog.AnswerSize);
        }
    }

    /// <summary>Where the log was when the peer was last cut off for leaving answers unacknowledged.</summary>
    private ulong? _refusedAt;

    /// <summary>
    /// The peer opens streams and does not acknowledge what becomes of them. Its next HELLO acknowledges all that it has
    /// read, so the first time only the link ends; a peer that has read none since has no use for the session.
    /// </summary>
    private void RefuseUntilAcknowledged()
    {
        const string text = "streams are opened, and the answers that they end are not acknowledged";
        if (_refusedAt == _log.Acknowledged)
        {
            FailSession(ChannelError.ResourceExhausted, text);
            return;
        }

        _refusedAt = _log.Acknowledged;
        _link!.Fail(ChannelError.ResourceExhausted, text);
    }

    /// <summary>Whether the next frame is not produced too far ahead of the transport: what waits to be sent is before any control message.</summary>
    private bool IsBelowOutputBatch => _log.Unsent < _options.OutputBatch;

    /// <summary>Whether a frame may be appended now without overtaking anything: nothing of its class or above waits.</summary>
    private bool CanProduceAtOnce(StreamClass streamClass) =>
        _peerNonce != 0 && _wasEstablished && _ready.IsIdleUpTo(streamClass) && IsBelowOutputBatch;

    /// <summary>Whether the log takes one more frame of this class. The last eighth is for answers, the ones before it for control and rpc.</summary>
    private bool HasRoom(StreamClass streamClass, int payload)
    {
        var share = streamClass switch { StreamClass.Control => 7, StreamClass.Rpc => 6, _ => 5 };
        return _log.Held - _log.HeldAnswers + FrameHeader.Size + payload <= (long)_options.ReplayBytes * share / 8;
    }

    int ILinkOwner.WriteControlFrames(Span<byte> target, long now)
    {
        var written = _sequence.Write(target, now);
        return _credit.Due <= now ? written + _credit.Write(target[written..], _limiter!, now) : written;
    }

    /// <summary>
    /// Streams that are opened and reset while nothing is sent must not make the queues long. Not while a queue is worked on.
    /// </summary>
    private void TrimQueues()
    {
        if (!_isProducing)
        {
            _ready.Trim();
            _credit.Trim();
        }
    }
}
