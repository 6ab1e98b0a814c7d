using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>Calls of a host manager to a guest whose bytes a confined process reads.</summary>
public sealed class ChannelTests
{
    private static readonly InstanceOptions s_options = new() { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = WorkerPrograms.Worker } };

    private const int SigStop = 19;

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task A_channel_names_its_guest_and_can_be_asked_and_told_things_after_its_end()
    {
        await using var guest = new EchoGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.HostUri, s_options);
        await vm.WaitReadyAsync(Soon);
        // As the transport knows it, not the worker.
        Assert.Equal("unix", vm.Channel.Status.Peer!.Value.Scheme);
        await using var stream = await vm.Channel.OpenStreamAsync(EchoGuest.EchoStream, new Empty(), cancellationToken: Soon);
        await host.DetachAsync("vm1");
        Assert.Equal(LinkState.Closed, vm.Channel.Status.LinkState);
        vm.Channel.SetState(StateWord.Ready);
        vm.Channel.DropLink("after its end");
        Assert.Equal(ChannelError.SessionClosed, (await Assert.ThrowsAsync<ChannelException>(async () => await stream.WriteAsync(new byte[1], Soon))).Code);
    }

    [Theory]
    [InlineData(Abi.SIGKILL)]
    [InlineData(SigStop)]
    public async Task A_worker_that_is_killed_or_stopped_is_followed_by_another_that_goes_on_with_its_session_and_calls(int signal)
    {
        await using var guest = new EchoGuest();
        await using var quiet = new EchoGuest();
        await using var host = new ChannelHost();
        var (vm, other) = (host.Attach("vm1", guest.HostUri, s_options), host.Attach("vm2", quiet.HostUri, s_options));
        Assert.Equal(0, (await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon)).Value.Length);
        Assert.Equal(0, (await other.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon)).Value.Length);
        var (own, session) = (vm.Channel.Status.SessionId, other.Channel.Status.SessionId);
        await using var stream = await vm.Channel.OpenStreamAsync(EchoGuest.EchoStream, new Empty(), cancellationToken: Soon);
        Assert.Equal(0, ProcessCalls.Kill(vm.Status.Worker!.ProcessId, signal));
        for (var i = 1; i <= 3; i++)
        {
            await stream.WriteAsync(new byte[i], Soon);
            await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), new CallOptions(TimeSpan.FromSeconds(20)), Soon);
        }

        for (var i = 1; i <= 3; i++)
        {
            using var echo = await stream.ReadAsync(Soon);
            Assert.Equal(i, echo.Memory.Length);
        }

        Assert.Equal((4, own, 1), (guest.Calls, vm.Channel.Status.SessionId, vm.Channel.Status.Resumes));
        Assert.Equal(0, (await other.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon)).Value.Length);
        Assert.Equal(session, other.Channel.Status.SessionId);
    }

    [Fact]
    public async Task Heartbeats_that_say_nothing_new_are_no_records_and_their_age_is_known()
    {
        await using var guest = new EchoGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.HostUri, s_options);
        await vm.WaitReadyAsync(Soon);
        await Task.Delay(TimeSpan.FromSeconds(3), Soon);
        var status = vm.Channel.Status;
        Assert.InRange(status.HeartbeatAge!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.NotNull(status.PeerHeartbeat!.Value.RoundTrip);
        guest.Channel.SetState(StateWord.Busy);
        var soon = Soon;
        while (vm.Channel.Status.PeerHeartbeat!.Value.State != StateWord.Busy)
        {
            await Task.Delay(10, soon);
        }
    }

    [Fact]
    public async Task A_guest_that_breaks_its_worker_again_and_again_has_the_next_one_later()
    {
        await using var guest = new EchoGuest();
        await using var host = new ChannelHost();
        // Without waits of the channel's own, which would be longer.
        var channel = new ChannelOptions { RetryMin = TimeSpan.FromMilliseconds(1), RetryMax = TimeSpan.FromMilliseconds(2) };
        var vm = host.Attach("vm1", guest.HostUri, s_options with { Channel = channel, Limits = new InstanceLimits { WorkerStarts = 60 } });
        var killed = new HashSet<int>();
        var begin = TimeProvider.System.GetTimestamp();
        while (vm.Status.Limits.WorkerStarts == 0)
        {
            Assert.True(killed.Count <= 40, "workers are started without end");
            if (vm.Status.Worker is { } worker && killed.Add(worker.ProcessId))
            {
                Assert.Equal(0, ProcessCalls.Kill(worker.ProcessId, Abi.SIGKILL));
            }

            await Task.Delay(5);
        }

        // Ten at once, and one a second.
        Assert.InRange(killed.Count, 10, 10 + (int)TimeProvider.System.GetElapsedTime(begin).TotalSeconds + 1);
        // No more are killed, and it works again.
        Assert.Equal(0, (await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon)).Value.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_and_streams_go_through_a_worker_whether_it_is_dialled_or_dials(bool dials)
    {
        await using var guest = new EchoGuest(dials);
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.HostUri, s_options);
        await using var stream = await EchoGuest.ExchangeAsync(vm.Channel, Soon);

        await stream.CompleteAsync(Soon);
        using var end = await stream.ReadAsync(Soon);
        Assert.True(end.IsEnd);
    }
}
