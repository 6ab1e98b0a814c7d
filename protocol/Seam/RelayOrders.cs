using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Seam;

/// <summary>What a supervisor writes for its worker. An order for a call that is over here is none: they have crossed.</summary>
internal sealed class RelayOrders(SeamRelay relay, ISeamControl control)
{
    /// <summary>Does what a record says.</summary>
    /// <param name="record">Its head.</param>
    /// <param name="data">Its data, valid during the call.</param>
    /// <param name="now">Time.</param>
    /// <exception cref="ChannelException">It is not an order (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Obey(in SeamRecord record, ReadOnlyMemory<byte> data, long now)
    {
        var call = relay.Find(record.Call);
        if (call is not null)
        {
            relay.OnChanged(call);
        }

        try
        {
            Do(record, call, data, now);
        }
        catch (InsufficientMemoryException) when (relay.Find(record.Call) is { } relayed)
        {
            relay.Remove(relayed);
            var mayHaveRun = relay.Rpc.Abort(relayed.Call, ChannelError.ResourceExhausted);
            relay.Fail(record.Call, new RpcStatus(
                ChannelError.ResourceExhausted, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry, "more waits for the guest than the worker can keep; it takes too little of it"));
        }
    }

    private void Do(in SeamRecord record, RelayedCall? call, ReadOnlyMemory<byte> data, long now)
    {
        switch (record.Kind)
        {
            case SeamKind.Begin:
                Begin(record, data, now);
                break;
            case SeamKind.Message when call is not null:
                Write(call, data, FlagsOf(record));
                break;
            case SeamKind.Finish when call is not null:
                Finish(call, new RpcStatus((ChannelError)record.Code, (ErrorClass)record.Value, PeerText.Decode(data.Span)));
                break;
            case SeamKind.Abort when call is not null:
                relay.Remove(call);
                relay.Rpc.Abort(call.Call, (ChannelError)record.Code);
                break;
            case SeamKind.Consumed when call is not null:
                relay.Rpc.Return(call.Call, (int)record.First, (int)record.Second);
                break;
            case SeamKind.Await when call is not null:
                relay.Rpc.AwaitMessage(call.Call);
                break;
            case SeamKind.Message or SeamKind.Finish or SeamKind.Abort or SeamKind.Consumed or SeamKind.Await:
                break;
            case SeamKind.State:
                control.SetState((StateWord)record.Value, record.First == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(record.First), record.Code);
                break;
            case SeamKind.Cut:
                control.Cut((ChannelError)record.Code, PeerText.Decode(data.Span));
                break;
            case SeamKind.Close:
                control.Close();
                break;
            case SeamKind.Ping:
                break;
            default:
                throw RingMemory.Broken($"an order of kind {(int)record.Kind}");
        }
    }

    /// <summary>The session has taken a write of a call: it gets the next ones.</summary>
    public void WriteOn(RelayedCall relayed)
    {
        while (relay.Find(relayed.Id) == relayed && relayed.Call.CanWrite && relayed.TryNext(out var block, out var message, out var flags, out var status))
        {
            if (status is { } last)
            {
                relay.Arena.Return(block, relay.Wipes);
                relay.Rpc.Finish(relayed.Call, last);
                continue;
            }

            relayed.Writing = message.Length;
            // The call gives it back to the pool.
            relayed.Call.WriteBuffer = block;
            if (!relay.Rpc.WriteFrom(relayed.Call, message, flags))
            {
                return;
            }

            relayed.Call.ReturnWriteBuffer();
            relay.OnTaken(relayed);
        }
    }

    private void Begin(in SeamRecord record, ReadOnlyMemory<byte> data, long now)
    {
        if (record.Extra <= 0 || record.Extra > Math.Min(data.Length, RpcHeader.MaxMethod) || record.Value >= StreamClassValues.Count || relay.Find(record.Call) is not null)
        {
            throw RingMemory.Broken("a call that cannot be begun");
        }

        var isStream = (record.Flags & SeamFlags.IsStream) != 0;
        RpcCall call;
        try
        {
            call = relay.Rpc.Begin(data.Span[..record.Extra], (StreamClass)record.Value, isStream, record.First, now, null, record.Second);
        }
        catch (ChannelException e)
        {
            relay.Fail(record.Call, new RpcStatus(e.Code, e.Class, e.Message));
            return;
        }

        var relayed = new RelayedCall(record.Call, relay.Arena) { Call = call, IsStream = isStream };
        relay.Add(relayed);
        Write(relayed, data[record.Extra..], FlagsOf(record));
    }

    private void Write(RelayedCall relayed, ReadOnlyMemory<byte> message, DataFlags flags)
    {
        var call = relayed.Call;
        if (relayed.HasWrites || !call.CanWrite)
        {
            relayed.Keep(message.Span, flags);
            return;
        }

        relayed.Writing = message.Length;
        if (relay.Rpc.WriteFrom(call, message, flags))
        {
            relay.OnTaken(relayed);
        }
        else
        {
            RpcPeer.KeepWrite(call);
        }

        if (call.IsIncoming && (flags & DataFlags.Fin) != 0)
        {
            ReturnAll(relayed);
        }
    }

    private void Finish(RelayedCall relayed, in RpcStatus status)
    {
        if (relayed.HasWrites || !relayed.Call.CanWrite)
        {
            relayed.Keep(status);
        }
        else
        {
            relay.Rpc.Finish(relayed.Call, status);
        }

        ReturnAll(relayed);
    }

    /// <summary>A call of the guest was answered: what comes on it still is dropped, and read by no one.</summary>
    private void ReturnAll(RelayedCall relayed)
    {
        if (relay.Find(relayed.Id) == relayed)
        {
            relay.Rpc.ReturnAll(relayed.Call);
        }
    }

    private static DataFlags FlagsOf(in SeamRecord record) => (record.Flags & SeamFlags.Fin) != 0 ? DataFlags.Fin : DataFlags.None;
}
