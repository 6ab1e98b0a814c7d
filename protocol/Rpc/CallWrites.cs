using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>Writes on calls, of any peer.</summary>
public static class CallWrites
{
    /// <summary>Writes the first <paramref name="length"/> bytes of the call's write buffer. True: taken; false: <see cref="IRpcHandler.OnWritable"/> follows.</summary>
    public static bool Write(this ICallPeer peer, RpcCall rpcCall, int length, DataFlags flags)
    {
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentNullException.ThrowIfNull(rpcCall);
        var taken = peer.WriteFrom(rpcCall, rpcCall.WriteBuffer[..length], flags);
        if (taken)
        {
            rpcCall.ReturnWriteBuffer();
        }

        return taken;
    }
}
