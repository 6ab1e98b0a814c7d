using System.Runtime.CompilerServices;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using Xunit;

namespace ChannelSdk.Transports.Tests.Reactor;

public sealed class ReactorTests
{
    [Fact]
    public async Task A_link_that_never_runs_dry_leaves_the_others_their_turns()
    {
        await using var busyRig = TransportRig.Sockets("unix", "unix-listen");
        await using var quietRig = TransportRig.Sockets("unix", "unix-listen");
        var (source, sink) = await busyRig.OpenAsync();
        var (near, far) = await quietRig.OpenAsync();

        // The sink takes one byte a call on the I/O thread, so it never catches up with the source's own thread.
        var flood = new Thread(() => Flood(source)) { IsBackground = true };
        var counter = new StrongBox<long>();
        var drained = DrainByteByByteAsync(sink, counter);
        flood.Start();

        const int rounds = 200;
        await PingAsync(near, far, 10).Within();
        var before = Volatile.Read(ref counter.Value);
        await PingAsync(near, far, rounds).Within();
        var perRound = (Volatile.Read(ref counter.Value) - before) / rounds;
        Assert.InRange(perRound, 1, 10_000);

        source.Abort();
        sink.Abort();
        await drained.Within();
        Assert.True(flood.Join(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Closing_descriptors_under_traffic_ends_every_call_and_disturbs_no_other_link()
    {
        await using var steadyRig = TransportRig.Sockets("unix", "unix-listen");
        var (steadyNear, steadyFar) = await steadyRig.OpenAsync();
        const int volume = 8 * 1024 * 1024;
        var send = Pattern.SendAsync(steadyNear, volume, 1, 10_000);
        var check = Pattern.CheckAsync(steadyFar, volume, 1, 10_000);

        await using var rig = TransportRig.Sockets("unix", "unix-listen");
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var (near, far) = await rig.OpenAsync();
            Task[] loops = [UntilLost(near), UntilLost(far)];
            var spins = random.Next(2000);
            await Task.Run(() => Thread.SpinWait(spins));
            Parallel.Invoke(near.Abort, far.Abort, near.Abort);
            await Task.WhenAll(loops).Within();
        }

        Assert.Equal(volume, await check.Within());
        await send.Within();
    }

    [Fact]
    public async Task A_second_receive_while_one_waits_is_a_programming_error()
    {
        await using var rig = TransportRig.Sockets("unix", "unix-listen");
        var (near, far) = await rig.OpenAsync();
        var first = near.ReceiveAsync(new byte[4]).AsTask();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await near.ReceiveAsync(new byte[4]));
        await far.SendAsync(new byte[3]);
        Assert.Equal(3, await first.Within());
    }

    [Fact]
    public void A_token_of_a_removed_registration_finds_none()
    {
        var table = new RegistrationTable();
        var first = new Client();
        var second = new Client();
        var old = table.Add(first);
        table.Remove(old);
        var token = table.Add(second);

        Assert.Equal((uint)old, (uint)token);
        Assert.Null(table.Find(old));
        table.Remove(old);
        Assert.Same(second, table.Find(token));
        Assert.Null(table.Find(12345));
    }

    [Fact]
    public void Many_registrations_are_all_found()
    {
        var table = new RegistrationTable();
        Client[] clients = [.. Enumerable.Range(0, 100).Select(_ => new Client())];
        ulong[] tokens = [.. clients.Select(table.Add)];
        Assert.Equal(clients, tokens.Select(table.Find));
    }

    private static void Flood(ITransportLink link)
    {
        var block = new byte[64 * 1024];
        try
        {
            while (true)
            {
                link.SendAsync(block).AsTask().GetAwaiter().GetResult();
            }
        }
        catch (ChannelException error) when (error.Code == ChannelError.LinkLost)
        {
        }
    }

    private static async Task DrainByteByByteAsync(ITransportLink link, StrongBox<long> counter)
    {
        var one = new byte[1];
        try
        {
            while (await link.ReceiveAsync(one).ConfigureAwait(false) > 0)
            {
                counter.Value++;
            }
        }
        catch (ChannelException error) when (error.Code == ChannelError.LinkLost)
        {
        }
    }

    private static async Task PingAsync(ITransportLink near, ITransportLink far, int rounds)
    {
        var message = new byte[8];
        for (var i = 0; i < rounds; i++)
        {
            var arrival = far.ReceiveAsync(message);
            await near.SendAsync(message).ConfigureAwait(false);
            await arrival.ConfigureAwait(false);
        }
    }

    private static async Task UntilLost(ITransportLink link)
    {
        var buffer = new byte[100];
        try
        {
            while (true)
            {
                await link.SendAsync(buffer).ConfigureAwait(false);
                if (await link.ReceiveAsync(buffer).ConfigureAwait(false) == 0)
                {
                    return;
                }
            }
        }
        catch (ChannelException error) when (error.Code == ChannelError.LinkLost)
        {
        }
    }

    private sealed class Client : IReactorClient
    {
        public void OnEvents(uint events)
        {
        }
    }
}
