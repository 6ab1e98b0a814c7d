using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;
using ChannelSdk.Transports.Faulty;
using Google.Protobuf;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over a real virtio-serial port.</summary>
[Collection("guest")]
public class VirtioSerialTests(SavedGuest saved)
{
    private static CancellationToken Soon => SavedGuest.Soon;

    private static Channel Attach(QemuGuest guest, Func<ITransportEndpoint, ITransportEndpoint>? wrap = null)
    {
        var endpoint = TransportEndpoints.Create(guest.ChannelUri);
        var channel = new Channel(PeerRole.Host, wrap?.Invoke(endpoint) ?? endpoint, new ServiceRegistry());
        channel.Start();
        return channel;
    }

    [Fact]
    public async Task The_agent_answers_who_and_what_it_is()
    {
        await using var guest = await saved.RestoreAsync();
        await using var channel = Attach(guest);
        var info = await channel.CallAsync(ServiceMethods.InfoGet, new InfoRequest(), cancellationToken: Soon);
        Assert.Equal("ChannelSdk test guest", info.Os.PrettyName);
        Assert.Equal("guest", info.HostName);
        Assert.Contains("6.1.", info.Kernel.Release, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_host_sees_the_ready_state_in_the_heartbeats()
    {
        await using var guest = await saved.RestoreAsync();
        await using var channel = Attach(guest);
        var events = channel.WatchAsync(Soon);
        await foreach (var next in events)
        {
            if (next is { Kind: ChannelEventKind.PeerState, Heartbeat.State: StateWord.Ready })
            {
                return;
            }
        }

        Assert.Fail("the events ended without a ready state");
    }

    [Fact]
    public async Task Transfers_in_both_directions_survive_cuts_of_the_link_without_loss()
    {
        await using var guest = await saved.RestoreAsync();
        await using var channel = Attach(guest);
        await channel.WaitReadyAsync(Soon);
        await SendAsync(channel, 8 << 20, cutEvery: 2 << 20);
        await ReceiveAsync(channel, 8 << 20, cutEvery: 2 << 20);
        Assert.True(channel.Status.Resumes >= 4, $"{channel.Status.Resumes} resumes");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(160)]
    [InlineData(1000)]
    [InlineData(40_000)]
    [InlineData(65_559)]
    [InlineData(300_001)]
    public async Task A_cut_at_a_sampled_byte_offset_in_either_direction_loses_nothing(long offset)
    {
        await using var guest = await saved.RestoreAsync();
        var plan = new FaultPlan
        {
            Links =
            [
                new LinkFaults { CutAfterSent = offset },
                new LinkFaults { CutAfterReceived = offset },
            ],
        };
        await using var channel = Attach(guest, inner => new FaultyEndpoint(inner, plan));
        await SendAsync(channel, 1 << 20, cutEvery: long.MaxValue);
        await ReceiveAsync(channel, 1 << 20, cutEvery: long.MaxValue);
    }

    [Fact]
    public async Task An_agent_that_is_killed_fails_its_calls_as_may_have_run_and_its_successor_answers()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var channel = Attach(guest);
        await channel.WaitReadyAsync(Soon);
        await using var stream = await channel.OpenStreamAsync(ServiceMethods.MeasureSource, new SourceRequest { Bytes = 1UL << 38 }, cancellationToken: Soon);
        using (await stream.ReadAsync(Soon))
        {
        }

        await console.ShAsync("kill -9 $(pidof channel-agent)");
        var error = await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            while (true)
            {
                using var _ = await stream.ReadAsync(Soon);
            }
        });
        Assert.Equal((ChannelError.SessionLost, ErrorClass.MayHaveRun), (error.Code, error.Class));
        var reply = await channel.CallAsync(ServiceMethods.InfoPing, new PingRequest(), cancellationToken: Soon);
        Assert.NotNull(reply);
    }

    [Fact]
    public async Task A_new_host_process_gets_a_new_session_with_the_same_agent()
    {
        await using var guest = await saved.RestoreAsync();
        for (var i = 0; i < 3; i++)
        {
            await using var channel = Attach(guest);
            await channel.CallAsync(ServiceMethods.InfoPing, new PingRequest(), cancellationToken: Soon);
        }
    }

    [Fact]
    public async Task A_guest_that_is_saved_and_restored_resumes_the_session_that_the_host_still_has()
    {
        var state = Path.GetTempFileName();
        try
        {
            Channel channel;
            UInt128? session;
            Movable endpoint;
            await using (var guest = await saved.RestoreAsync())
            {
                endpoint = new Movable(guest.ChannelUri);
                channel = new Channel(PeerRole.Host, endpoint, new ServiceRegistry());
                channel.Start();
                await channel.CallAsync(ServiceMethods.InfoPing, new PingRequest(), cancellationToken: Soon);
                session = channel.Status.SessionId;
                await guest.SaveAsync(state, cancellationToken: Soon);
            }

            await using var restored = await saved.RestoreFromAsync(state);
            await using var _ = channel;
            endpoint.MoveTo(restored.ChannelUri);
            await channel.CallAsync(ServiceMethods.InfoPing, new PingRequest(), cancellationToken: Soon);
            Assert.Equal(session, channel.Status.SessionId);
            Assert.True(channel.Status.Resumes >= 1);
        }
        finally
        {
            File.Delete(state);
        }
    }

    [Fact]
    public async Task A_shutdown_is_accepted_and_the_guest_goes()
    {
        await using var guest = await saved.RestoreAsync();
        await using var channel = Attach(guest);
        var reply = await channel.CallAsync(ServiceMethods.PowerRequest, new PowerCommand { Action = PowerAction.Shutdown, Reason = "test" }, cancellationToken: Soon);
        Assert.True(reply.Accepted);
        await guest.Exited.WaitAsync(Soon);
    }

    [Fact]
    public async Task A_booted_guest_announces_itself_to_a_host_that_waits()
    {
        await using var guest = await saved.BootAsync();
        await using var channel = Attach(guest);
        await channel.WaitReadyAsync(Soon);
        var payload = ByteString.CopyFrom(new byte[100_000]);
        var echo = await channel.CallAsync(ServiceMethods.MeasureEcho, new EchoRequest { Payload = payload }, cancellationToken: Soon);
        Assert.Equal(payload, echo.Payload);
    }

    private static async Task SendAsync(Channel channel, long bytes, long cutEvery)
    {
        await using var stream = await channel.OpenStreamAsync(ServiceMethods.MeasureSink, new SinkRequest(), cancellationToken: Soon);
        var chunk = new byte[65536];
        var sum = MeasureChecksum.Start;
        long cutAt = cutEvery;
        for (long sent = 0; sent < bytes; sent += chunk.Length)
        {
            MeasurePattern.Fill(chunk, (ulong)sent);
            sum = MeasureChecksum.Append(sum, chunk);
            await stream.WriteAsync(chunk, Soon);
            if (sent >= cutAt)
            {
                cutAt += cutEvery;
                channel.DropLink("test");
            }
        }

        await stream.CompleteAsync(Soon);
        using var message = await stream.ReadAsync(Soon);
        var report = SinkReport.Parser.ParseFrom(message.Span);
        Assert.Equal((ulong)bytes, report.Bytes);
        Assert.Equal(MeasureChecksum.Finish(sum), report.Crc32C);
    }

    private static async Task ReceiveAsync(Channel channel, long bytes, long cutEvery)
    {
        await using var stream = await channel.OpenStreamAsync(ServiceMethods.MeasureSource, new SourceRequest { Bytes = (ulong)bytes }, cancellationToken: Soon);
        long received = 0;
        long cutAt = cutEvery;
        while (true)
        {
            using var message = await stream.ReadAsync(Soon);
            if (message.IsEnd)
            {
                break;
            }

            Assert.True(MeasurePattern.Matches(message.Span, (ulong)received), $"the bytes from {received} on differ");
            received += message.Memory.Length;
            if (received >= cutAt)
            {
                cutAt += cutEvery;
                channel.DropLink("test");
            }
        }

        Assert.Equal(bytes, received);
    }

    /// <summary>The host's side of a channel whose guest moves to another QEMU.</summary>
    private sealed class Movable(string uri) : ITransportEndpoint
    {
        private ITransportEndpoint _inner = TransportEndpoints.Create(uri);

        public string Uri => _inner.Uri;

        public void MoveTo(string next) => _inner = TransportEndpoints.Create(next);

        public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => _inner.OpenAsync(cancellationToken);

        public ValueTask DisposeAsync() => _inner.DisposeAsync();
    }
}
