using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>The peer's frames: sequence, streams, credit, acknowledgement, each checked before it has an effect.</summary>
public sealed partial class Session
{
    private readonly int[] _openedHere = new int[StreamClassValues.Count];
    private readonly int[] _openedThere = new int[StreamClassValues.Count];
    private InboundLimiter? _limiter;
    private StreamIds _idsHere;
    private StreamIds _idsThere;

    /// <summary>Whether a whole HELLO is among the first bytes of a link.</summary>
    public static bool HoldsHello(ReadOnlySpan<byte> untrusted) => HelloFrame.IsAmong(untrusted);

    /// <summary>Takes bytes from the link and returns how many; the rest must be presented again, with more behind it.</summary>
    /// <remarks>After a <see cref="Tick"/> the caller presents bytes that were not consumed again, even without new ones.</remarks>
    public int Receive(ReadOnlySpan<byte> untrustedBytes, long now)
    {
        if (_link is null || ReceivePausedUntil > now)
        {
            return 0;
        }

        var consumed = _link.Receive(untrustedBytes, now);
        _limiter!.ChargeTotal(consumed, _link.ReadFrameCount(), now);
        ReceivePausedUntil = _limiter.ReadPausedUntil(now);
        if (ReceivePausedUntil != 0)
        {
            ReceivePauses++;
            _link.ForgiveSilence(ReceivePausedUntil);
        }

        return consumed;
    }

    void ILinkOwner.OnFrame(in FrameHeader header, ReadOnlySpan<byte> untrustedPayload, long now)
    {
        _peerIsPaired = true;
        var isOfStream = StreamIds.TryParse(header.Stream, out var opener, out var streamClass);
        // Before the sequence is looked at: what comes twice costs its sender twice.
        _limiter!.Charge(isOfStream ? streamClass : null, FrameHeader.Size + untrustedPayload.Length, header.Type == FrameType.Open, now);
        if (header.IsSequenced && !AcceptSequence(header, now))
        {
            return;
        }

        switch (header.Type)
        {
            case FrameType.Ack when untrustedPayload.IsEmpty && header is { Flags: DataFlags.None, Stream: 0 }:
                if (!_log.WasAcknowledged(header.Sequence) && !_log.Acknowledge(header.Sequence))
                {
                    FailSession(ChannelError.AckOutOfRange, $"acknowledgement of frame {header.Sequence}, sent and open are {(uint)_log.Acknowledged} to {(uint)_log.Exposed}");
                }

                break;
            case FrameType.Credit or FrameType.Open or FrameType.Data or FrameType.Reset when !isOfStream && (header.Type != FrameType.Credit || header.Stream != 0):
                FailSession(ChannelError.BadStreamId, $"{header.Type} frame for stream {header.Stream}, whose class or number is invalid");
                break;
            case FrameType.Credit when untrustedPayload.Length == sizeof(long) && header is { Flags: DataFlags.None, Sequence: 0 }:
                OnCredit(header.Stream, opener, streamClass, BinaryPrimitives.ReadInt64LittleEndian(untrustedPayload));
                break;
            case FrameType.Open when untrustedPayload.Length <= MaxOpenHeader && (header.Flags & ~(DataFlags.Fin | DataFlags.Void)) == 0:
                OnOpen(header, opener, streamClass, untrustedPayload);
                break;
            case FrameType.Data when IsValidData(header.Flags, untrustedPayload.Length):
                OnData(header, opener, streamClass, untrustedPayload);
                break;
            case FrameType.Reset when untrustedPayload.Length == sizeof(ushort) && header.Flags == DataFlags.None:
                OnReset(header.Stream, opener, streamClass, (ChannelError)BinaryPrimitives.ReadUInt16LittleEndian(untrustedPayload));
                break;
            case FrameType.Ack or FrameType.Credit or FrameType.Open or FrameType.Data or FrameType.Reset:
                FailSession(ChannelError.MalformedFrame, $"{header.Type} frame with flags {(ushort)header.Flags}, stream {header.Stream} and {untrustedPayload.Length} bytes");
                break;
            default:
                FailSession(ChannelError.UnknownFrame, $"frame of type {(byte)header.Type}, which protocol {Version} does not have");
                break;
        }
    }

    private static bool IsValidData(DataFlags flags, int length) =>
        (flags & ~(DataFlags.More | DataFlags.Fin | DataFlags.Trailer)) == 0
        && ((flags & DataFlags.More) == 0 || (flags == DataFlags.More && length > 0));

    private bool AcceptSequence(in FrameHeader header, long now)
    {
        var ahead = header.Sequence - (uint)_sequence.Next;
        if (ahead > int.MaxValue)
        {
            // Seen before: what a resumed peer could not know to be received.
            return false;
        }

        if (ahead != 0)
        {
            _link!.Fail(ChannelError.SequenceGap, $"frame {header.Sequence} came, {(uint)_sequence.Next} was expected");
            return false;
        }

        if (header.Type == FrameType.Open && !HasRoomForAnswers)
        {
            RefuseUntilAcknowledged();
            return false;
        }

        _sequence.Add(header, now);
        return true;
    }

    private void OnOpen(in FrameHeader header, PeerRole opener, StreamClass streamClass, ReadOnlySpan<byte> untrustedHeader)
    {
        TrimQueues();
        if (opener == _role || !_idsThere.TryAdvance(header.Stream, streamClass) || _streams.ContainsKey(header.Stream))
        {
            FailSession(ChannelError.BadStreamId, $"stream {header.Stream} was opened, which is not a new id of the {opener}'s");
            return;
        }

        if ((header.Flags & DataFlags.Void) != 0)
        {
            // What follows on this id is ignored, as for any that has ended.
            return;
        }

        if (_openedThere[(int)streamClass] >= _options.MaxStreams[streamClass])
        {
            ProduceReset(header.Stream, ChannelError.TooManyStreams);
            return;
        }

        var stream = NewStream(streamClass, localOpened: false, state: null);
        _openedThere[(int)streamClass]++;
        stream.Id = header.Stream;
        stream.FirstSequence = ulong.MaxValue;
        stream.SendLimit = _peerStreamCredit[streamClass];
        stream.ReceiveLimit = _options.StreamWindow[streamClass];
        stream.RemoteDone = (header.Flags & DataFlags.Fin) != 0;
        _streams.Add(stream.Id, stream);
        _handler.OnOpened(stream, untrustedHeader, stream.RemoteDone);
    }

    private void OnData(in FrameHeader header, PeerRole opener, StreamClass streamClass, ReadOnlySpan<byte> untrustedData)
    {
        var cost = FrameHeader.Size + untrustedData.Length;
        if (!_credit.TryReceive(streamClass, cost))
        {
            FailSession(ChannelError.CreditExceeded, "more was sent than the session has credit for");
            return;
        }

        if (!TryFind(header.Stream, opener, streamClass, out var stream))
        {
            _credit.Consume(streamClass, cost);
            return;
        }

        _keeper?.OnChanged(stream);
        if (stream.RemoteDone)
        {
            FailSession(ChannelError.StreamClosed, $"data came on stream {stream.Id} after its end");
            return;
        }

        stream.ReceiveOffset += cost;
        if (stream.ReceiveOffset > stream.ReceiveLimit)
        {
            FailSession(ChannelError.CreditExceeded, $"more was sent on stream {stream.Id} than it has credit for");
            return;
        }

        stream.RemoteDone = (header.Flags & DataFlags.Fin) != 0;
        _handler.OnData(stream, untrustedData, header.Flags);
    }

    private void OnReset(uint id, PeerRole opener, StreamClass streamClass, ChannelError code)
    {
        if (TryFind(id, opener, streamClass, out var stream))
        {
            Kill(stream);
            _handler.OnReset(stream, code);
        }
    }

    private void OnCredit(uint id, PeerRole opener, StreamClass streamClass, long untrustedLimit)
    {
        if (untrustedLimit is < 0 or > SessionOptions.MaxCreditLimit)
        {
            FailSession(ChannelError.CreditOverflow, $"a credit limit of {untrustedLimit}");
            return;
        }

        if (id == 0)
        {
            RaiseSessionLimit(untrustedLimit);
        }
        else if (TryFind(id, opener, streamClass, out var stream))
        {
            _keeper?.OnChanged(stream);
            stream.SendLimit = Math.Max(stream.SendLimit, untrustedLimit);
            QueueIfReady(stream);
        }
    }

    /// <summary>The peer gives the session more credit: every stream may have waited for it.</summary>
    private void RaiseSessionLimit(long limit)
    {
        if (limit <= _sendSessionLimit)
        {
            return;
        }

        _sendSessionLimit = limit;
        foreach (var blocked in _streams.Values)
        {
            QueueIfReady(blocked);
        }
    }

    private void QueueIfReady(SessionStream stream)
    {
        if (stream.HasPending)
        {
            _ready.Add(stream);
        }
    }

    /// <summary>Finds a live stream. An id that was used before is no error: its last frames may have crossed ours.</summary>
    private bool TryFind(uint id, PeerRole opener, StreamClass streamClass, out SessionStream stream)
    {
        if (_streams.TryGetValue(id, out stream!))
        {
            return true;
        }

        if (!(opener == _role ? _idsHere : _idsThere).WasUsed(id, streamClass))
        {
            FailSession(ChannelError.BadStreamId, $"a frame for stream {id}, which was never opened");
        }

        return false;
    }
}
