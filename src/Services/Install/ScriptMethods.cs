using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>What a script of an install asks of its own side (half.proto).</summary>
public static class ScriptMethods
{
    /// <summary>half.Call: what a script asks of its own side. Only on the local socket of one half (half.proto).</summary>
    public static RpcMethod<ScriptRequest, ScriptReply> Call { get; } = new("half.Call", StreamClass.Rpc);

    /// <summary>half.Pipe: a stream of bytes between the halves, at a tool's end. Only on the local socket of one half.</summary>
    public static StreamMethod<ScriptPipeRequest> Pipe { get; } = new("half.Pipe", StreamClass.Bulk);
}
