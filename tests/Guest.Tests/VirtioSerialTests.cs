using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Time;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over a real virtio-serial port.</summary>
[Collection("guest")]
public class VirtioSerialTests(SavedGuest saved) : AgentCutTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    protected override async Task<AttachedGuest> StartAsync()
    {
        var guest = await saved.RestoreAsync();
        return new AttachedGuest(guest, () => TransportEndpoints.Create(guest.ChannelUri), [guest]);
    }

    [Fact]
    public async Task A_time_that_is_set_is_the_hardware_clocks_too()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create(guest.ChannelUri), new ServiceRegistry());
        channel.Start();
        // The end of a leap day, 2028-02-29 23:59:50.
        const long seconds = 1835481590;
        await channel.CallAsync(TimeMethods.Set, new TimeSetRequest { UnixNs = seconds * 1_000_000_000 }, cancellationToken: Soon);
        Assert.InRange(long.Parse(await console.ShAsync("cat /sys/class/rtc/rtc0/since_epoch"), System.Globalization.CultureInfo.InvariantCulture), seconds, seconds + 60);
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
                await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
                session = channel.Status.SessionId;
                await guest.SaveAsync(state, cancellationToken: Soon);
            }

            await using var restored = await saved.RestoreFromAsync(state);
            await using var _ = channel;
            endpoint.MoveTo(restored.ChannelUri);
            await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
            Assert.Equal(session, channel.Status.SessionId);
            Assert.True(channel.Status.Resumes >= 1);
        }
        finally
        {
            File.Delete(state);
        }
    }

    [Fact]
    public async Task A_booted_guest_announces_itself_to_a_host_that_waits()
    {
        await using var guest = await saved.BootAsync();
        await using var channel = new AttachedGuest(guest, () => TransportEndpoints.Create(guest.ChannelUri), []).Attach();
        await channel.WaitReadyAsync(Soon);
        var payload = ByteString.CopyFrom(new byte[100_000]);
        var echo = await channel.CallAsync(MeasureMethods.Echo, new EchoRequest { Payload = payload }, cancellationToken: Soon);
        Assert.Equal(payload, echo.Payload);
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
