using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Watch;

/// <summary>The method of the watch service (watch.proto).</summary>
public static class WatchMethods
{
    /// <summary>info.Watch: what changes in the guest, in <see cref="GuestChange"/> messages.</summary>
    public static StreamMethod<WatchRequest> Watch { get; } = new("info.Watch", StreamClass.Rpc);
}
