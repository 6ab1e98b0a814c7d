using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Services.Measure;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Measurements of a guest that does not do as it was asked.</summary>
public sealed class MeasureTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public void Dispose() => _folder.Dispose();

    private Channel Guest(Action<ServiceRegistry> serve)
    {
        var services = new ServiceRegistry();
        serve(services);
        var channel = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{_folder.At("guest")}"), services);
        channel.Start();
        return channel;
    }

    [Fact]
    public async Task A_guest_that_sends_without_end_is_stopped_at_the_requested_bytes()
    {
        await using var guest = Guest(static services => services.Stream(MeasureMethods.Source, static async (_, stream, context) =>
        {
            var chunk = new byte[65536];
            for (ulong sent = 0; ; sent += (ulong)chunk.Length)
            {
                MeasurePattern.Fill(chunk, sent);
                await stream.WriteAsync(chunk, context.CancellationToken);
            }
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", $"unix://{_folder.At("guest")}");
        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Measure.ReceiveAsync(100_000, cancellationToken: Soon));
        Assert.Equal(ChannelError.CorruptFrame, error.Code);
        Assert.Contains("more than the 100000 bytes", error.Message);
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF })]
    [InlineData(null)]
    public async Task A_malformed_report_is_an_error_of_the_guest(byte[]? report)
    {
        await using var guest = Guest(services => services.Stream(MeasureMethods.Sink, async (_, stream, context) =>
        {
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    break;
                }
            }

            if (report is not null)
            {
                await stream.WriteAsync(report, context.CancellationToken);
            }
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", $"unix://{_folder.At("guest")}");
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(() => instance.Measure.SendAsync(1000, cancellationToken: Soon))).Code);
    }
}
