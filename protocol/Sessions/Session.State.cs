using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>What another process needs to go on with the session. A link is not part of it: the next one resumes.</summary>
public sealed partial class Session
{
    internal void Save(ref StateWriter state)
    {
        state.UInt128(_nonce);
        state.UInt128(_peerNonce);
        state.UInt32(_linkCount);
        state.UInt32(_peerLinkCount);
        state.Flag(_wasEstablished);
        state.Flag(_peerIsPaired);
        state.Flag(_closed);
        state.Values(_peerStreamCredit);
        state.Values(_peerMaxStreams);
        state.Int32(_peerMaxFrame);
        state.UInt64(Capabilities);
        state.Int64(_sendSession);
        state.Int64(_sendSessionLimit);
        state.Flag(_refusedAt is not null);
        state.UInt64(_refusedAt ?? 0);
        _idsHere.Save(ref state);
        _idsThere.Save(ref state);
        _sequence.Save(ref state);
        _credit.Save(ref state);
        _log.Save(ref state);
    }

    /// <summary>Before anything else is done: takes up what <see cref="Save"/> has written. Each stream follows.</summary>
    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    internal void Load(ref StateReader state, long now)
    {
        (_nonce, _peerNonce) = (state.UInt128(), state.UInt128());
        (_linkCount, _peerLinkCount) = (state.UInt32(), state.UInt32());
        (_wasEstablished, _peerIsPaired, _closed) = (state.Flag(), state.Flag(), state.Flag());
        (_peerStreamCredit, _peerMaxStreams, _peerMaxFrame) = (state.Values(), state.Values(), state.Int32());
        StateReader.Require(_peerMaxFrame is >= SessionOptions.SmallestMaxFrame and <= SessionOptions.LargestMaxFrame, "a largest frame out of range");
        Capabilities = state.UInt64();
        (_sendSession, _sendSessionLimit) = (state.Amount(), state.Amount());
        _refusedAt = state.Flag() ? state.UInt64() : Ignore(state.UInt64());
        _idsHere.Load(ref state);
        _idsThere.Load(ref state);
        _sequence.Load(ref state);
        _credit.Load(ref state);
        _log.Load(ref state);
        _linkLostAt = _wasEstablished ? now : Link.Never;

        static ulong? Ignore(ulong value) => null;
    }

    internal static void SaveStream(SessionStream stream, ref StateWriter state)
    {
        state.UInt32(stream.Id);
        state.Byte((byte)stream.Class);
        state.Flag(stream.LocalOpened);
        state.Flag(stream.LocalDone);
        state.Flag(stream.RemoteDone);
        state.Flag(stream.HasPending);
        state.Byte((byte)stream.PendingFlags);
        state.Flag(stream.FinGiven);
        state.Flag(stream.PendingHeaderFin);
        state.Bytes(stream.NeedsOpen ? stream.PendingHeader : []);
        state.UInt64(stream.FirstSequence);
        state.Int32(stream.OpenOffset);
        state.Int64(stream.SendOffset);
        state.Int64(stream.SendLimit);
        state.Int64(stream.ReceiveOffset);
        state.Int64(stream.ReceiveLimit);
        state.Int64(stream.Consumed);
    }

    /// <summary>Takes up one of the streams; <see cref="EndLoad"/> follows.</summary>
    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    internal SessionStream LoadStream(ref StateReader state)
    {
        var (id, streamClass, isOwn) = (state.UInt32(), state.Byte(), state.Flag());
        StateReader.Require(streamClass < StreamClassValues.Count, "a class of streams that is not one");
        var stream = new SessionStream();
        stream.Reuse((StreamClass)streamClass, isOwn, null);
        stream.Id = id;
        (stream.LocalDone, stream.RemoteDone, stream.HasPending) = (state.Flag(), state.Flag(), state.Flag());
        (stream.PendingFlags, stream.FinGiven, stream.PendingHeaderFin) = ((Frames.DataFlags)state.Byte(), state.Flag(), state.Flag());
        stream.PendingHeader = state.Bytes(MaxOpenHeader).ToArray();
        (stream.FirstSequence, stream.OpenOffset) = (state.UInt64(), state.Int32());
        (stream.SendOffset, stream.SendLimit) = (state.Amount(), state.Amount());
        (stream.ReceiveOffset, stream.ReceiveLimit, stream.Consumed) = (state.Amount(), state.Amount(), state.Amount());
        StateReader.Require(stream.Consumed <= stream.ReceiveOffset && stream.ReceiveOffset <= stream.ReceiveLimit, "a stream of more bytes than it had credit for");
        if (id != 0)
        {
            var isOne = StreamIds.TryParse(id, out var opener, out var ofClass) && ofClass == stream.Class && (opener == _role) == isOwn;
            StateReader.Require(isOne && _streams.TryAdd(id, stream), "a stream's id that is not one, or is there twice");
        }

        ref var count = ref (isOwn ? _openedHere : _openedThere)[streamClass];
        StateReader.Require((isOwn || (id != 0 && count < _options.MaxStreams[stream.Class])) && (id != 0 || stream.PendingHeader.Length > 0), "a stream that cannot be there");
        count++;
        return stream;
    }

    /// <summary>A stream is whole, with its pending write.</summary>
    internal void EndLoad(SessionStream stream)
    {
        if (stream is { LocalOpened: true, Id: not 0 } && stream.FirstSequence >= _log.Exposed)
        {
            // The other process may have ended while it gave the stream up.
            StateReader.Require(_log.TryUnvoid(stream.FirstSequence, stream.OpenOffset, stream.Id), "a stream whose first frame is not there");
        }

        if (stream.Id != 0)
        {
            _credit.TellIfMuch(stream);
        }

        if (stream.HasWork)
        {
            _ready.Add(stream);
        }
    }
}
