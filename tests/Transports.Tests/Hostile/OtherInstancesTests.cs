using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Device;
using Xunit;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>What one guest or its monitor does stops no other instance of the process.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class OtherInstancesTests
{
    private static readonly TimeSpan s_ended = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_monitor_whose_call_descriptor_cannot_be_written_stops_no_other_instance()
    {
        await using var quiet = await QuietInstance.StartAsync();
        await using var bench = new DeviceBench();
        using (var monitor = new FullCallMonitor(bench.Path))
        {
            for (var i = 0; i < 3; i++)
            {
                monitor.Attack();
                await quiet.AssertServedAsync();
            }
            // Nor is its own device held up.
            Assert.True(await Task.Run(() => bench.Device.Status.HasFrontEnd).WaitAsync(s_ended));
        }

        await bench.DrainFaultsAsync().WaitAsync(s_ended);
        await bench.AssertServes().WaitAsync(s_ended);
        await bench.Device.DisposeAsync().AsTask().WaitAsync(s_ended);
    }

    [Fact]
    public async Task A_device_ends_while_its_call_descriptor_cannot_be_written()
    {
        await using var quiet = await QuietInstance.StartAsync();
        await using var bench = new DeviceBench();
        using var monitor = new FullCallMonitor(bench.Path);
        monitor.Attack();
        await Task.Run(async () => await bench.Device.DisposeAsync()).WaitAsync(s_ended);
        await quiet.AssertServedAsync();
    }

    [Fact]
    public async Task A_monitor_whose_descriptors_cannot_be_closed_stops_no_other_instance()
    {
        await using var quiet = await QuietInstance.StartAsync();
        await using var bench = new DeviceBench();
        using var monitor = new LingeringMonitor(bench.Path);
        monitor.Attack();
        await quiet.AssertServedAsync();
        monitor.Reconnect();
        await quiet.AssertServedAsync();
        monitor.Attack();
        await quiet.AssertServedAsync();
    }

    [Fact]
    public async Task A_monitor_has_no_more_descriptors_open_than_may_wait_to_be_closed()
    {
        await using var bench = new DeviceBench();
        using var null0 = new SafeFd(FileCalls.Open("/dev/null", Abi.O_CLOEXEC, 0));
        using var monitor = new LingeringMonitor(bench.Path);
        monitor.Attack();
        var before = OpenFiles();
        for (var i = 0; i < 200; i++)
        {
            // Eight a message; the device ends on the way, so that later ones are not read.
            monitor.Send([.. Enumerable.Repeat(null0, 8)]);
        }

        monitor.WaitClosed();
        while (bench.Device.Status.LastFault is null)
        {
            await Task.Yield();
        }

        Assert.Contains("whose closing does not end", bench.Device.Status.LastFault, StringComparison.Ordinal);
        Assert.InRange(OpenFiles() - before, 0, ForeignCloser.Room + 64);
    }

    [Fact]
    public async Task Open_files_that_come_with_the_bytes_of_a_link_end_it_and_stop_no_other_instance()
    {
        await using var quiet = await QuietInstance.StartAsync();
        using var directory = new TestDirectory();
        await using var endpoint = TransportEndpoints.Create($"virtio-serial-listen://{directory["s"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        var sender = new LingeringSender(directory["s"]);
        sender.Attack();
        await using var link = await open.Within();
        // Let go before the link, so that a test that has failed ends.
        using (sender)
        {
            var error = await Assert.ThrowsAsync<ChannelException>(() => Task.Run(() => link.ReceiveAsync(new byte[16]).AsTask()).WaitAsync(s_ended));
            Assert.Equal(ChannelError.TransportFailed, error.Code);
            await Task.Run(link.Abort).WaitAsync(s_ended);
            await quiet.AssertServedAsync();
        }
    }

    [Fact]
    public async Task A_handed_over_connection_that_was_made_blocking_stops_no_other_instance()
    {
        await using var quiet = await QuietInstance.StartAsync();
        using var directory = new TestDirectory();
        await using var endpoint = TransportEndpoints.Create($"usernet://{directory["s"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var handOver = new BlockingHandOver(directory["s"]);
        handOver.Attack();
        await using var link = await open.Within();
        handOver.BlockAll();
        var buffer = new byte[BlockingHandOver.Bytes];
        Assert.Equal(BlockingHandOver.Bytes, await link.ReceiveAsync(buffer).Within());
        var next = Task.Run(() => link.ReceiveAsync(buffer).AsTask());
        await quiet.AssertServedAsync();
        var send = Task.Run(async () =>
        {
            while (true)
            {
                await link.SendAsync(buffer);
            }
        });
        await quiet.AssertServedAsync();
        link.Abort();
        await Assert.ThrowsAsync<ChannelException>(() => next.WaitAsync(s_ended));
        await Assert.ThrowsAsync<ChannelException>(() => send.WaitAsync(s_ended));
    }

    [Fact]
    public async Task A_file_that_is_no_stream_socket_is_not_taken_for_a_connection()
    {
        using var directory = new TestDirectory();
        await using var endpoint = TransportEndpoints.Create($"usernet://{directory["s"]}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using (var helper = new FrontEndDouble(directory["s"]))
        {
            using var file = GuestDouble.NewEvent();
            helper.SendRaw("x"u8, file);
            helper.WaitClosed();
        }

        using var handOver = new BlockingHandOver(directory["s"]);
        handOver.Attack();
        await using var link = await open.Within();
        Assert.Equal(BlockingHandOver.Bytes, await link.ReceiveAsync(new byte[8192]).Within());
    }

    [Fact]
    public async Task Chains_of_the_most_descriptors_stop_no_other_instance()
    {
        await using var quiet = await QuietInstance.StartAsync();
        await using var bench = new DeviceBench();
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        using var guest = new LongChainGuest(bench.Path);
        await using var link = await open.Within();
        guest.ShortenReceiveBuffers();
        guest.Attack();
        var send = Task.Run(async () =>
        {
            while (true)
            {
                await link.SendAsync(new byte[32 * 1024]);
            }
        });
        for (var i = 0; i < 20; i++)
        {
            await quiet.AssertServedAsync();
        }

        Assert.True(bench.Device.Status is { HasFrontEnd: true, Faults: 0 });
        Assert.False(send.IsCompleted);
        link.Abort();
        await Assert.ThrowsAsync<ChannelException>(() => send.WaitAsync(s_ended));
    }

    [Fact]
    public async Task A_ring_of_long_chains_takes_the_thread_of_all_instances_for_a_part_of_it_at_a_time()
    {
        var other = await WorkBesideAFullRingAsync();
        Assert.InRange(other.MostAtOnce, 1, GuestDouble.RingSize / 2);
    }

    [Fact]
    public async Task A_ring_that_never_runs_dry_rests_between_its_turns()
    {
        var other = await WorkBesideAFullRingAsync();
        // Eight turns, which without a rest are one round each.
        Assert.InRange(other.Rounds, 40, int.MaxValue);
    }

    [Fact]
    public async Task A_chain_of_more_descriptors_than_a_driver_uses_ends_the_device()
    {
        await using var bench = new DeviceBench();
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        using var guest = new LongChainGuest(bench.Path, (int)SplitQueue.MaxChain + 2);
        await using var link = await open.Within();
        guest.Attack();
        await bench.AssertFault(guest.FrontEnd, "of more than 64 descriptors, or a loop");
    }

    [Fact]
    public async Task A_call_descriptor_that_is_no_eventfd_ends_the_device()
    {
        await using var bench = new DeviceBench();
        using var frontEnd = new FrontEndDouble(bench.Path);
        using var ram = new GuestRam(4096);
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        frontEnd.Tell(VhostUserRequest.SetRingCall, new byte[8], ram.File);
        await bench.AssertFault(frontEnd, "that is no eventfd", open);
    }

    /// <summary>Work of another instance, done in each round of the thread while a device goes through a full ring: it sees how far that got meanwhile.</summary>
    private static async Task<OtherWork> WorkBesideAFullRingAsync()
    {
        await using var bench = new DeviceBench();
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        using var guest = new LongChainGuest(bench.Path);
        await using var link = await open.Within();
        int before = guest.Answers;
        var other = new OtherWork(() => (ushort)(guest.Answers - before));
        guest.OfferAll();
        await other.Reached(GuestDouble.RingSize - 1).Within();
        return other;
    }

    /// <summary>Runs in each round of the I/O thread, and notes by how much a count grew since the last one.</summary>
    private sealed class OtherWork : IReactorWork
    {
        private readonly Func<int> _count;
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile int _wanted = int.MaxValue;
        private int _last;

        internal OtherWork(Func<int> count)
        {
            _count = count;
            IoReactor.Shared.Post(this);
        }

        internal int MostAtOnce { get; private set; }

        /// <summary>Rounds since the first of what is counted.</summary>
        internal int Rounds { get; private set; }

        internal Task Reached(int wanted)
        {
            _wanted = wanted;
            return _reached.Task;
        }

        public void OnReady()
        {
            var count = _count();
            MostAtOnce = Math.Max(MostAtOnce, count - _last);
            Rounds += count > 0 ? 1 : 0;
            _last = count;
            if (count >= _wanted)
            {
                _reached.SetResult();
                return;
            }

            IoReactor.Shared.Schedule(this);
        }
    }

    private static int OpenFiles() => Directory.GetFiles("/proc/self/fd").Length;
}
