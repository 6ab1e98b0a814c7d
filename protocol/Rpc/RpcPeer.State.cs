using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>What another process needs to go on with calls.</summary>
public sealed partial class RpcPeer
{
    internal static void SaveCall(SessionCall call, ref StateWriter state)
    {
        state.Flag(call.IsIncoming);
        state.Flag(call.IsStream);
        state.Flag(call.PeerDone);
        state.Flag(call.OwnDone);
        state.Flag(call.RequestTaken);
        state.Flag(call.IsRefused);
        state.Flag(call.ReaderWaits);
        state.Flag(call.HasSlot);
        state.Flag(call.AwaitsSlot);
        state.Flag(call.AwaitsAnswer);
        state.Int64(call.WheelSlot < 0 ? 0 : call.Deadline);
        state.Int64(call.FinalDeadline);
        state.Buffer(call.Partial);
        state.Int32(call.PartialLength);
        state.Int32(call.LastLength);
        state.Int32(call.PartCredit);
        state.Int32(call.PartFrames);
        state.Int32(call.Unread.Credit);
        state.Int32(call.Unread.Frames);
        state.Buffer(call.WriteBuffer);
    }

    /// <summary>Takes up the call of a stream.</summary>
    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    internal SessionCall LoadCall(SessionStream stream, ref StateReader state)
    {
        var call = NewCall(state.Flag(), state.Flag(), null);
        (call.Stream, stream.State) = (stream, call);
        (call.PeerDone, call.OwnDone, call.RequestTaken, call.IsRefused) = (state.Flag(), state.Flag(), state.Flag(), state.Flag());
        (call.ReaderWaits, call.HasSlot, call.AwaitsSlot, call.AwaitsAnswer) = (state.Flag(), state.Flag(), state.Flag(), state.Flag());
        var deadline = state.Amount();
        call.FinalDeadline = state.Amount();
        (call.Partial, call.PartialLength, call.LastLength) = (state.Buffer(), state.Count(), state.Count());
        (call.PartCredit, call.PartFrames) = (state.Count(), state.Count());
        call.Unread = (state.Count(), state.Count());
        StateReader.Require(call.PartialLength <= Math.Min(call.Partial.Length, _maxMessage) && call.IsIncoming != stream.LocalOpened, "a call that is not its stream's");
        call.WriteBuffer = state.Buffer();
        _assembly.Load(call);
        if (deadline != 0)
        {
            _deadlines.Add(call, deadline);
        }

        return call;
    }
}
