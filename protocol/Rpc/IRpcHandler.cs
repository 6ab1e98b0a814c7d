namespace ChannelSdk.Protocol.Rpc;

/// <summary>What the rpc layer tells of calls, synchronously, under its owner's lock.</summary>
public interface IRpcHandler
{
    /// <summary>The peer makes a call. False: there is no such method, and nothing follows of the call.</summary>
    bool OnIncoming(RpcCall rpcCall, in RpcHeader untrustedHeader);

    /// <summary>The request of an incoming call, or the reply of an outgoing unary one (which is over with it).</summary>
    void OnMessage(RpcCall rpcCall, ReadOnlySpan<byte> untrustedMessage);

    /// <summary>A message of a stream call. True: it was taken, and <see cref="RpcPeer.Return"/> gives back its credit; false: it is received, to be read.</summary>
    internal bool OnStreamMessage(RpcCall rpcCall, ReadOnlySpan<byte> untrustedMessage, int credit, int frames) => false;

    /// <summary>A stream call has a message to read, or its peer's direction has ended (see <see cref="RpcCall.Status"/>).</summary>
    void OnReadable(RpcCall rpcCall);

    /// <summary>The pending write was taken.</summary>
    void OnWritable(RpcCall rpcCall);

    /// <summary>The call is over before its normal end: <see cref="RpcCall.Status"/> says why. Nothing follows.</summary>
    void OnFailed(RpcCall rpcCall);

    /// <summary>The call has ended in both directions, and all of it was read. Nothing follows. Not told of an outgoing unary call, which ends with its reply.</summary>
    void OnEnded(RpcCall rpcCall)
    {
    }
}
