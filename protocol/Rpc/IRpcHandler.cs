namespace ChannelSdk.Protocol;

/// <summary>What the rpc layer tells its owner, synchronously, under the owner's lock.</summary>
internal interface IRpcHandler
{
    /// <summary>The peer makes a call. False: there is no such method.</summary>
    bool OnIncoming(RpcCall call, in RpcHeader untrustedHeader);

    /// <summary>The request of an incoming call, or the reply of an outgoing unary one (which is over with it).</summary>
    void OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage);

    /// <summary>A stream call has a message to read, or its peer's direction has ended (see <see cref="RpcCall.Status"/>).</summary>
    void OnReadable(RpcCall call);

    /// <summary>The pending write was taken.</summary>
    void OnWritable(RpcCall call);

    /// <summary>The call is over before its normal end: <see cref="RpcCall.Status"/> says why. Nothing follows.</summary>
    void OnFailed(RpcCall call);

    /// <summary>A link is up.</summary>
    void OnEstablished(bool resumed);

    /// <summary>The link has gone.</summary>
    void OnLinkLost(ChannelError error, string text);

    /// <summary>The session has gone; its calls have failed.</summary>
    void OnSessionLost(ChannelError error, string text);

    /// <summary>The peer's heartbeat.</summary>
    void OnPeerHeartbeat(in Heartbeat heartbeat);
}
