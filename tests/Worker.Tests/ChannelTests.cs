using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>Calls of a host manager to a guest whose bytes a confined process reads.</summary>
public sealed class ChannelTests
{
    private static readonly InstanceOptions s_options = new() { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = Programs.Worker } };

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_and_streams_go_through_a_worker_whether_it_is_dialled_or_dials(bool dials)
    {
        await using var guest = new EchoGuest(dials);
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.HostUri, s_options);
        foreach (var size in (int[])[0, 64, 70_000, 1_000_000])
        {
            var request = new BytesValue { Value = ByteString.CopyFrom(Enumerable.Range(0, size).Select(static i => (byte)i).ToArray()) };
            Assert.Equal(request, await vm.Channel.CallAsync(EchoGuest.Echo, request, cancellationToken: Soon));
        }

        await using var stream = await vm.Channel.OpenStreamAsync(EchoGuest.EchoStream, new Empty(), cancellationToken: Soon);
        for (var i = 1; i < 200; i++)
        {
            await stream.WriteAsync(new byte[i * 1000], Soon);
            using var echo = await stream.ReadAsync(Soon);
            Assert.Equal(i * 1000, echo.Memory.Length);
        }

        await stream.CompleteAsync(Soon);
        using var end = await stream.ReadAsync(Soon);
        Assert.True(end.IsEnd);
    }
}
