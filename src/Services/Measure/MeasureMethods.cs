using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Measure;

/// <summary>The methods of the measure service (measure.proto).</summary>
public static class MeasureMethods
{
    /// <summary>measure.Echo: a payload of up to one message comes back.</summary>
    public static RpcMethod<EchoRequest, EchoReply> Echo { get; } = new("measure.Echo", StreamClass.Rpc, permission: Permissions.Measure);

    /// <summary>
    /// measure.Sink: raw messages to the guest, which counts them; at their end it sends one message, a
    /// <see cref="SinkReport"/>.
    /// </summary>
    public static StreamMethod<SinkRequest> Sink { get; } = new("measure.Sink", StreamClass.Bulk, permission: Permissions.Measure);

    /// <summary>measure.Source: as many bytes of <see cref="MeasurePattern"/> from the guest as the request says.</summary>
    public static StreamMethod<SourceRequest> Source { get; } = new("measure.Source", StreamClass.Bulk, permission: Permissions.Measure);
}
