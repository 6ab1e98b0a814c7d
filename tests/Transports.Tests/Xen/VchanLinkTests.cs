using System.Diagnostics;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>A link whose other side is played by hand.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class VchanLinkTests : IAsyncLifetime, IDisposable
{
    private readonly XenDouble _xen = new();
    private ITransportEndpoint _guest = null!;
    private VchanLink _link = null!;
    private VchanArea _peer = null!;

    public async Task InitializeAsync()
    {
        _guest = VchanRig.Listen(_xen, 3, 0, order: 12);
        var accepted = _guest.OpenAsync(default).AsTask();
        var path = VchanRig.Path(3, 0);
        await VchanRig.ValueChanges(_xen, $"{path}/ring-ref", null);
        await VchanRig.ValueChanges(_xen, $"{path}/event-channel", null);
        var keys = VchanKeys.Parse(_xen.Store.Value($"{path}/ring-ref")!, _xen.Store.Value($"{path}/event-channel")!)!;
        _peer = VchanArea.Map(_xen.Domain(0), 3, keys);
        Assert.True(_peer.TryClaim());
        _link = (VchanLink)await accepted.Within();
        // Off the I/O thread, where an open may end: these tests keep their thread busy.
        await Task.Yield();
    }

    public async Task DisposeAsync()
    {
        await _link.DisposeAsync();
        _peer.Dispose();
        await _guest.DisposeAsync();
    }

    public void Dispose() => _xen.Dispose();

    [Fact]
    public async Task A_flood_of_events_is_taken_at_a_bounded_rate_and_the_bytes_arrive()
    {
        var receive = _link.ReceiveAsync(new byte[100]).AsTask();
        var port = (PortDouble)_peer.Port;
        var own = port.Other!;
        var before = own.Taken;
        long events = 0;
        var time = Stopwatch.StartNew();
        // The thread that counts may wait for a processor longer than that.
        while (time.ElapsedMilliseconds < 1000 || (_link.EmptyEvents <= 8 && time.ElapsedMilliseconds < 60_000))
        {
            port.Notify();
            events++;
        }

        Assert.True(events > 10_000, "the flood was none");
        // 8 of each 128 ms, and one each 20 ms besides.
        Assert.InRange(own.Taken - before, 1, 200 + (int)time.ElapsedMilliseconds / 10);
        Assert.False(receive.IsCompleted);
        Assert.True(_link.EmptyEvents > 8, "the flood was not counted");

        Assert.Equal(50, _peer.End.Send(new byte[50], out _));
        port.Notify();
        Assert.Equal(50, await receive.Within());
    }

    [Fact]
    public async Task Events_without_a_waiting_call_are_not_acknowledged()
    {
        var port = (PortDouble)_peer.Port;
        var own = port.Other!;
        var before = own.Taken;
        for (var i = 0; i < 100_000; i++)
        {
            port.Notify();
        }

        Assert.InRange(own.Taken - before, 0, 1);
        _peer.End.Send(new byte[50], out _);
        Assert.Equal(50, await _link.ReceiveAsync(new byte[100]).Within());
    }

    [Fact]
    public async Task A_peer_that_breaks_its_ring_ends_the_link_with_an_error_that_says_so()
    {
        var receive = _link.ReceiveAsync(new byte[100]).AsTask();
        Break(VchanLayout.LeftProduced, 100_000);
        _peer.Port.Notify();
        var error = await Assert.ThrowsAsync<ChannelException>(() => receive.Within());
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.Contains("100000 bytes wait in a ring of 4096", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_peer_that_takes_back_its_arrival_has_gone()
    {
        Break(VchanLayout.Flags, 0);
        Assert.Equal(0, await _link.ReceiveAsync(new byte[100]).Within());
    }

    [Fact]
    public async Task Memory_stays_mapped_under_a_call_while_another_thread_ends_the_link()
    {
        var flood = Task.Run(async () =>
        {
            var block = new byte[64 * 1024];
            var received = new byte[64 * 1024];
            try
            {
                while (true)
                {
                    await _link.SendAsync(block);
                }
            }
            catch (ChannelException error)
            {
                Assert.Equal(ChannelError.LinkLost, error.Code);
            }
        });
        var buffer = new byte[64 * 1024];
        var time = Stopwatch.StartNew();
        for (var moved = 0; moved < 1 << 20;)
        {
            Assert.True(time.Elapsed < TimeSpan.FromSeconds(60), $"the link stalled after {moved} bytes: {flood.Status} {flood.Exception?.InnerException}");
            var count = _peer.End.Receive(buffer, out var wake);
            moved += Math.Max(count, 0);
            if (wake)
            {
                _peer.Port.Notify();
            }

            if (count <= 0)
            {
                // To the thread that is to send.
                Thread.Yield();
            }
        }

        _link.Abort();
        await flood.Within();
    }

    private unsafe void Break(int offset, uint value) => *(uint*)(_xen.Memory(3, _link.Keys.RingReference) + offset) = value;
}
