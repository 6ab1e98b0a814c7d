using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>
/// Calls to and from one peer, unary ones and streams, with deadline, cancel and status. What comes is told to an <see cref="IRpcHandler"/>. Not
/// thread-safe; its owner serializes all calls. Time is in microseconds of a monotonic clock.
/// </summary>
public interface ICallPeer
{
    /// <summary>Begins a call: its request follows by <see cref="CallWrites.Write"/> in the call's write buffer.</summary>
    /// <param name="method">ASCII name.</param>
    /// <param name="streamClass">Priority class.</param>
    /// <param name="isStream">Messages both ways, or one request and one reply.</param>
    /// <param name="deadline">Absolute time in microseconds, or 0.</param>
    /// <param name="now">Time.</param>
    /// <param name="state">The owner's object.</param>
    /// <param name="answerBy">Absolute time in microseconds by which a stream's first message must have come, or 0.</param>
    /// <exception cref="ChannelException">No further stream can be opened.</exception>
    RpcCall Begin(ReadOnlySpan<byte> method, StreamClass streamClass, bool isStream, long deadline, long now, object? state, long answerBy = 0);

    /// <summary>Writes a message from memory that stays the caller's and untouched until it is taken. True: it was; false: <see cref="IRpcHandler.OnWritable"/> follows.</summary>
    bool WriteFrom(RpcCall rpcCall, ReadOnlyMemory<byte> message, DataFlags flags);

    /// <summary>Ends an incoming call with a status; for a stream None is its good end.</summary>
    void Finish(RpcCall rpcCall, in RpcStatus status);

    /// <summary>Takes a message of a stream call; its buffer is the caller's to return to the shared array pool.</summary>
    bool TryRead(RpcCall rpcCall, out RpcMessage message);

    /// <summary>A reader waits for the stream's next message. True: its sender was given credit for the rest of it.</summary>
    bool AwaitMessage(RpcCall rpcCall);

    /// <summary>Cancels: the peer is told, no event follows. True if the peer may have seen the call.</summary>
    bool Abort(RpcCall rpcCall, ChannelError code);
}
