using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Bench.Wire;

/// <summary>A guest that sends as much as it can, and a host that holds it to a rate.</summary>
internal sealed class Flood() : Contender("flooding guest")
{
    /// <summary>Bytes a second that the host allows.</summary>
    public const long Allowed = 4 << 20;

    private string _socket = "";

    public override async Task ServeAsync(string socket)
    {
        await using var channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{socket}"), new ServiceRegistry(), new ChannelOptions());
        channel.SetState(StateWord.Ready);
        channel.Start();
        var message = new byte[65536];
        while (true)
        {
            try
            {
                await channel.WaitReadyAsync();
                await using var stream = await channel.OpenStreamAsync(Ours.Sink, new Empty());
                while (true)
                {
                    await stream.WriteAsync(message);
                }
            }
            catch (ChannelException)
            {
                // The host of the last measurement has gone; the next one is flooded as well.
            }
        }
    }

    public override Task ConnectAsync(string socket)
    {
        _socket = socket;
        return Task.CompletedTask;
    }

    /// <summary>What comes through in so many seconds, and the host's managed bytes before and after.</summary>
    public async Task<(double BytesPerSecond, long Before, long After)> MeasureAsync(bool limited, int seconds)
    {
        var options = new ChannelOptions
        {
            Session = new SessionOptions { TotalLimit = limited ? new RateLimit(BytesPerSecond: Allowed) : null },
        };
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{_socket}"), Ours.NewServices(), options);
        channel.Start();
        await channel.WaitReadyAsync();
        // The burst that the bucket allows at the start is not the rate.
        await Task.Delay(1000);
        var (before, bytes) = (GC.GetTotalMemory(forceFullCollection: true), channel.Status.BytesIn);
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        bytes = channel.Status.BytesIn - bytes;
        return (bytes / (double)seconds, before, GC.GetTotalMemory(forceFullCollection: true));
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
