using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Seam;

/// <summary>What is written on calls that a worker carries, until it has room for it and the session has taken it.</summary>
internal sealed class SeamWrites(SeamOutput output, SeamCalls calls, IRpcHandler handler)
{
    /// <summary>Bytes of a stream that a write need not wait for: the next ones are on their way while the worker has these.</summary>
    private const int Pipelined = 256 << 10;

    private readonly Queue<(SeamCall Call, int Version)> _waiting = new();

    /// <summary>Writes a message. True: it was taken; false: the handler is told once it is.</summary>
    public bool Write(SeamCall call, ReadOnlyMemory<byte> message, DataFlags flags)
    {
        call.OwnDone |= (flags & DataFlags.Fin) != 0;
        (call.Pending, call.PendingFlags, call.HasPending) = (message, flags, true);
        if (_waiting.Count > 0 || !TrySendPending(call))
        {
            _waiting.Enqueue((call, call.Version));
            return false;
        }

        var taken = !call.AwaitsTaken;
        calls.EndIfDone(call);
        return taken;
    }

    /// <summary>The session took so many bytes of the call's messages. False: it had not so many.</summary>
    public bool TryTake(SeamCall call, int bytes)
    {
        if ((uint)bytes > (uint)call.Outstanding)
        {
            return false;
        }

        call.Outstanding -= bytes;
        if (call.AwaitsTaken && call.Outstanding <= call.TakenAt)
        {
            call.AwaitsTaken = false;
            call.ReturnWriteBuffer();
            handler.OnWritable(call);
            calls.EndIfDone(call);
        }

        return true;
    }

    /// <summary>Writes what waits for room, as far as there is some.</summary>
    public void SendWaiting()
    {
        if (!output.Settle())
        {
            return;
        }

        while (_waiting.TryPeek(out var next))
        {
            var (call, version) = next;
            if (call.Version == version && call.HasPending)
            {
                if (!TrySendPending(call))
                {
                    return;
                }

                if (!call.AwaitsTaken)
                {
                    call.ReturnWriteBuffer();
                    handler.OnWritable(call);
                    calls.EndIfDone(call);
                }
            }

            _waiting.Dequeue();
        }
    }

    /// <summary>The call's write is shown to the worker. False: there is no room.</summary>
    private bool TrySendPending(SeamCall call)
    {
        var message = call.Pending.Span;
        var record = new SeamRecord { Kind = SeamKind.Message, Call = call.Id, Bits = (byte)((call.PendingFlags & DataFlags.Fin) != 0 ? SeamFlags.Fin : SeamFlags.None) };
        ReadOnlySpan<byte> name = default;
        var isRequest = !call.IsBegun;
        if (isRequest)
        {
            name = call.Method;
            record.Kind = SeamKind.Begin;
            record.Extra = name.Length;
            record.Bits |= (byte)((byte)call.StreamClass | (byte)(call.IsStream ? SeamFlags.IsStream : SeamFlags.None));
            (record.First, record.Second) = (call.FinalDeadline, call.AnswerBy);
        }

        if (!output.TrySend(record, name, message))
        {
            return false;
        }

        if (isRequest)
        {
            calls.OnBegun(call);
        }

        (call.HasPending, call.Pending) = (false, default);
        if (call.IsStream)
        {
            call.Outstanding += message.Length;
            // The request of a stream is taken when the session has it; what follows, before.
            call.TakenAt = isRequest ? 0 : Pipelined;
            call.AwaitsTaken = isRequest || call.Outstanding > Pipelined;
        }

        return true;
    }
}
