using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over the driver of its own kernel and our vsock device.</summary>
[Collection("vsock guest")]
public class VsockTests(SavedVsockGuest saved) : AgentCutTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    protected override Task<AttachedGuest> StartAsync() => saved.StartAsync("vm");

    [Fact]
    public async Task A_guest_that_boots_with_the_device_announces_itself()
    {
        await using var device = SavedVsockGuest.NewDevice("boot");
        await using var guest = await saved.BootAsync(options => options with { VsockSocket = device.SocketPath });
        await using var started = new AttachedGuest(guest, () => device.Listen(SavedVsockGuest.Port), []);
        await using var channel = started.Attach();
        await channel.WaitReadyAsync(Soon);
        await Transfers.SendAsync(channel, 1 << 20, cutEvery: long.MaxValue);
        Assert.Equal(0, device.Status.Violations);
    }

    [Fact]
    public async Task Two_guests_with_the_same_CID_are_told_apart_by_their_devices()
    {
        await using var first = await saved.StartAsync("first");
        await using var second = await saved.StartAsync("second");
        await using var firstConsole = await GuestConsole.ConnectAsync(first.Guest.ConsoleSocket);
        await using var secondConsole = await GuestConsole.ConnectAsync(second.Guest.ConsoleSocket);
        await firstConsole.ShAsync("hostname first");
        await secondConsole.ShAsync("hostname second");
        await using var firstChannel = first.Attach();
        await using var secondChannel = second.Attach();
        for (var i = 0; i < 10; i++)
        {
            var one = firstChannel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon);
            var two = secondChannel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon);
            Assert.Equal("first", (await one).HostName);
            Assert.Equal("second", (await two).HostName);
        }
    }

    [Fact]
    public async Task A_paused_guest_keeps_its_link()
    {
        await using var started = await StartAsync();
        await using var channel = started.Attach();
        await channel.WaitReadyAsync(Soon);
        for (var i = 0; i < 3; i++)
        {
            await started.Guest.Qmp.ExecuteAsync("stop", null, Soon);
            await started.Guest.Qmp.ExecuteAsync("cont", null, Soon);
            await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
        }

        Assert.Equal(0, channel.Status.Resumes);
    }

    [Fact]
    public async Task A_saved_guest_resumes_its_session_over_another_device_with_another_CID()
    {
        var state = Path.GetTempFileName();
        await using var endpoint = new MovableEndpoint();
        await using var before = SavedVsockGuest.NewDevice("before", cid: 77);
        await using var after = SavedVsockGuest.NewDevice("after", cid: 99);
        try
        {
            endpoint.MoveTo(before.Listen(SavedVsockGuest.Port));
            await using var channel = new AttachedGuest(null!, () => endpoint, []).Attach();
            await using (var guest = await saved.RestoreAsync())
            {
                await guest.PlugVsockAsync(before.SocketPath, Soon);
                await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
                await guest.UnplugVsockAsync(Soon);
                await guest.SaveAsync(state, cancellationToken: Soon);
            }

            var session = channel.Status.SessionId;
            endpoint.MoveTo(after.Listen(SavedVsockGuest.Port));
            await using var restored = await saved.RestoreFromAsync(state);
            await restored.PlugVsockAsync(after.SocketPath, Soon);
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
    public async Task The_host_dials_an_agent_that_listens_whose_listener_outlives_a_change_of_device_and_CID()
    {
        await using var first = SavedVsockGuest.NewDevice("first", cid: 77);
        await using var second = SavedVsockGuest.NewDevice("second", cid: 99);
        await using var guest = await saved.RestoreAsync();
        await guest.PlugVsockAsync(first.SocketPath, Soon);
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await console.ShAsync("echo '--endpoint vsock-listen://2:6000' > /tmp/agent-args; kill $(pidof channel-agent)");
        await using (var channel = new AttachedGuest(guest, () => first.Dial(6000), []).Attach())
        {
            await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
        }

        var agent = await AgentAsync(console);
        await guest.UnplugVsockAsync(Soon);
        await guest.PlugVsockAsync(second.SocketPath, Soon);
        await using (var channel = new AttachedGuest(guest, () => second.Dial(6000), []).Attach())
        {
            await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
        }

        Assert.Equal(agent, await AgentAsync(console));
    }

    /// <summary>The agent's process id, without what a console echoes.</summary>
    private static async Task<string> AgentAsync(GuestConsole console) =>
        (await console.ShAsync("pidof channel-agent")).Split('\n')[^1];

    /// <summary>The host's side of a channel whose guest moves to another device.</summary>
    private sealed class MovableEndpoint : ITransportEndpoint
    {
        private ITransportEndpoint? _inner;
        private CancellationTokenSource _moved = new();

        public string Uri => _inner!.Uri;

        public void MoveTo(ITransportEndpoint next)
        {
            _inner = next;
            Interlocked.Exchange(ref _moved, new CancellationTokenSource()).Cancel();
        }

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _moved.Token);
                try
                {
                    return await _inner!.OpenAsync(either.Token);
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    // Moved: opened at the other place.
                }
            }
        }

        public ValueTask DisposeAsync() => _inner?.DisposeAsync() ?? default;
    }
}
