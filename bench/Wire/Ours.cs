using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Bench.Wire;

/// <summary>The channel, as a host manager uses it.</summary>
/// <param name="name">Name of the row.</param>
/// <param name="inline">Whether callers go on on the thread that received their answer.</param>
/// <param name="isolation">Where the session of an attached instance is; null for a channel without an instance.</param>
internal sealed class Ours(string name, bool inline, HostIsolation? isolation = null) : Contender(name)
{
    public static readonly RpcMethod<BytesValue, BytesValue> Echo = new("bench.Echo", StreamClass.Rpc);
    public static readonly RpcMethod<BytesValue, BytesValue> Control = new("bench.Control", StreamClass.Control);
    public static readonly StreamMethod<Empty> Sink = new("bench.Sink", StreamClass.Bulk);
    private static readonly BytesValue s_payload = new() { Value = ByteString.CopyFrom(new byte[62]) };
    // By default a peer may open 10,000 streams a second: fewer than calls end here, so their p99 would be a wait for that.
    private static readonly ChannelOptions s_unlimited = new() { Session = new SessionOptions { TotalLimit = null } };
    private readonly ChannelHost _host = new();
    private Channel _channel = null!;

    /// <summary>With the default options.</summary>
    public bool IsPlain => !inline && isolation is null;

    public static ServiceRegistry NewServices()
    {
        var services = new ServiceRegistry();
        services.Unary(Echo, static (request, _) => ValueTask.FromResult(request));
        services.Unary(Control, static (request, _) => ValueTask.FromResult(request));
        services.Stream(Sink, static async (_, stream, _) =>
        {
            while (true)
            {
                using var message = await stream.ReadAsync();
                if (message.IsEnd)
                {
                    break;
                }
            }
        });
        return services;
    }

    public override async Task ServeAsync(string socket)
    {
        await using var channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{socket}"), NewServices(), s_unlimited);
        channel.SetState(StateWord.Ready);
        channel.Start();
        await Task.Delay(Timeout.Infinite);
    }

    public override async Task ConnectAsync(string socket)
    {
        var options = new ChannelOptions { InlineCompletions = inline };
        if (isolation is { } where)
        {
            var worker = new WorkerOptions { Program = Path.GetFullPath("artifacts/host/channel-worker") };
            _channel = _host.Attach("bench", $"unix://{socket}", new InstanceOptions { Channel = options, Isolation = where, Worker = worker }).Channel;
        }
        else
        {
            _channel = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{socket}"), new ServiceRegistry(), options);
            _channel.Start();
        }

        await _channel.WaitReadyAsync();
    }

    public override Task<double[]> CallsAsync(int count) => TimeAsync(count, async () => await _channel.CallAsync(Echo, s_payload));

    /// <summary>Microseconds of control calls.</summary>
    public Task<double[]> ControlAsync(int count) => TimeAsync(count, async () => await _channel.CallAsync(Control, s_payload));

    /// <summary>The same while a bulk stream fills the link.</summary>
    public async Task<double[]> ControlUnderBulkAsync(int count)
    {
        using var stop = new CancellationTokenSource();
        var bulk = Task.Run(async () =>
        {
            await using var stream = await _channel.OpenStreamAsync(Sink, new Empty());
            var message = new byte[65536];
            while (!stop.IsCancellationRequested)
            {
                await stream.WriteAsync(message);
            }
        });
        await Task.Delay(100);
        var times = await ControlAsync(count);
        await stop.CancelAsync();
        await bulk;
        return times;
    }

    public override async Task<double> StreamAsync(int messageSize, long bytes)
    {
        var message = new byte[messageSize];
        await using var stream = await _channel.OpenStreamAsync(Sink, new Empty());
        var start = Stopwatch.GetTimestamp();
        for (long sent = 0; sent < bytes; sent += messageSize)
        {
            await stream.WriteAsync(message);
        }

        await stream.CompleteAsync();
        using var end = await stream.ReadAsync();
        return bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public override async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _host.DisposeAsync();
    }
}
