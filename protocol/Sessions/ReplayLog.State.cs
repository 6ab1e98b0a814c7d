using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>What another process needs to go on with the log: its frames, in memory that outlives this one.</summary>
internal sealed partial class ReplayLog
{
    /// <summary>Takes the flag away again from an OPEN frame of a stream, if it has it. False: there is no such frame.</summary>
    public bool TryUnvoid(ulong sequence, int place, uint stream)
    {
        foreach (var segment in _segments)
        {
            var isWithin = place >= segment.Acked && place < segment.End;
            if (isWithin && FrameHeader.TryRead(segment.Buffer.Span[place..segment.End], out var header) == HeaderStatus.Ok
                && header.Type == FrameType.Open && header.Stream == stream && header.Sequence == (uint)sequence)
            {
                FrameHeader.SetFlag(segment.Buffer.Span[place..], DataFlags.Void, isSo: false);
                return true;
            }
        }

        return false;
    }

    public void Save(ref StateWriter state)
    {
        state.UInt64(NextSequence);
        state.UInt64(Acknowledged);
        state.UInt64(Exposed);
        state.UInt64(Chain);
        state.Int32(_segments.Count);
        foreach (var segment in _segments)
        {
            state.Buffer(segment.Buffer);
            state.Int32(segment.Acked);
            state.Int32(segment.End);
        }
    }

    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public void Load(ref StateReader state)
    {
        (NextSequence, Acknowledged, Exposed, Chain) = (state.UInt64(), state.UInt64(), state.UInt64(), state.UInt64());
        var sequence = Acknowledged;
        for (var count = state.Count(); count > 0; count--)
        {
            var segment = new Segment { Buffer = state.Buffer(), First = sequence, Acked = state.Count(), End = state.Count() };
            StateReader.Require(segment.Acked <= segment.End && segment.End <= segment.Buffer.Length, "frames outside of their memory");
            segment.Sent = segment.Acked;
            sequence = LoadFrames(segment, sequence);
            _segments.Enqueue(segment);
            _tail = segment;
        }

        StateReader.Require(sequence == NextSequence && Exposed >= Acknowledged && Exposed <= NextSequence, "frames that are not there");
        Unsent = Held;
    }

    private ulong LoadFrames(Segment segment, ulong sequence)
    {
        for (var at = segment.Acked; at < segment.End; sequence++)
        {
            var isFrame = FrameHeader.TryRead(segment.Buffer.Span[at..segment.End], out var header) == HeaderStatus.Ok;
            var size = FrameHeader.Size + (long)header.Length;
            StateReader.Require(isFrame && header.IsSequenced && header.Sequence == (uint)sequence && size <= segment.End - at, "frames that cannot be read");
            Held += (int)size;
            HeldAnswers += IsAnswer(header.Type, header.Stream) ? (int)size : 0;
            at += (int)size;
        }

        return sequence;
    }
}
