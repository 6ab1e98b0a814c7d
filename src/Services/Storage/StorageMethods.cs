using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Storage;

/// <summary>The methods of the storage service (storage.proto).</summary>
public static class StorageMethods
{
    /// <summary>storage.Trim: unused blocks go back to the storage below the guest.</summary>
    public static RpcMethod<TrimRequest, TrimReply> Trim { get; } = new("storage.Trim", StreamClass.Control, isPrivileged: true);
}
