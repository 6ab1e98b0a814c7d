using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>A packet that is not allowed ends the connection that it names; the device and its other connections go on.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HostilePacketTests
{
    [Fact]
    public Task A_packet_of_another_type_resets_its_connection() =>
        Resets(VsockOperation.Data, header => header with { Type = 7 }, type: 7);

    [Fact]
    public Task An_unknown_operation_resets_its_connection() => Resets((VsockOperation)99, header => header);

    [Fact]
    public Task A_length_beyond_the_chain_resets_its_connection() =>
        Resets(VsockOperation.Data, header => header with { Length = 100_000 });

    [Fact]
    public Task A_control_packet_with_data_resets_its_connection() =>
        Resets(VsockOperation.CreditUpdate, header => header with { Length = 1 });

    [Fact]
    public Task A_second_response_resets_its_connection() => Resets(VsockOperation.Response, header => header);

    [Fact]
    public Task A_count_of_more_bytes_than_were_sent_resets_its_connection() =>
        Resets(VsockOperation.CreditUpdate, header => header with { ForwardCount = 1 });

    [Fact]
    public async Task Data_beyond_the_credit_resets_its_connection()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        var block = new byte[16 * 1024 - 44];
        var sent = 0;
        for (var packets = 2; sent <= 256 * 1024; packets++)
        {
            Assert.False(guest.TryPeek(out _, out _), $"an answer after {sent} bytes");
            guest.Say(DeviceBench.Header(VsockOperation.Data, length: block.Length), block);
            guest.WaitRead(packets);
            sent += block.Length;
        }

        guest.Expect(VsockOperation.Reset);
        // What came within the credit is still there to read, then the end.
        var received = 0;
        for (int count; (count = await link.ReceiveAsync(block).Within()) > 0; received += count)
        {
        }

        Assert.Equal(sent - block.Length, received);
        await bench.AssertServesBeside(guest);
    }

    [Theory]
    [InlineData(4UL, 2UL)]
    [InlineData(3UL, 3UL)]
    [InlineData(2UL, 2UL)]
    [InlineData(0x1_0000_0003UL, 2UL)]
    public async Task A_packet_with_a_wrong_CID_is_dropped_and_counted(ulong source, ulong destination)
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.Say(DeviceBench.Header(VsockOperation.Reset) with { SourceCid = source, DestinationCid = destination });
        await bench.AssertServesBeside(guest);
        Assert.Equal(1, bench.Device.Status.Violations);
        Assert.Equal(5, await link.SendAsync(new byte[5]).Within());
    }

    [Theory]
    [InlineData((int)VsockOperation.Request)]
    [InlineData((int)VsockOperation.Response)]
    [InlineData((int)VsockOperation.Data)]
    [InlineData((int)VsockOperation.Shutdown)]
    [InlineData((int)VsockOperation.CreditRequest)]
    public async Task A_packet_for_a_port_without_a_listener_is_answered_with_a_reset(int operation)
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        guest.Say(DeviceBench.Header((VsockOperation)operation) with { DestinationPort = 99 });
        var answer = guest.Expect(VsockOperation.Reset);
        Assert.Equal((99u, DeviceBench.GuestPort, 2UL, 3UL), (answer.SourcePort, answer.DestinationPort, answer.SourceCid, answer.DestinationCid));
    }

    [Fact]
    public async Task A_reset_of_nothing_is_not_answered()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        guest.Say(DeviceBench.Header(VsockOperation.Reset));
        // The next answer is to the next packet.
        guest.Say(DeviceBench.Header(VsockOperation.Request, guestPort: 77) with { DestinationPort = 99 });
        Assert.Equal(77u, guest.Expect(VsockOperation.Reset).DestinationPort);
    }

    [Fact]
    public async Task A_flood_of_connections_is_bounded()
    {
        await using var bench = new DeviceBench(maxConnections: 4);
        using var guest = new GuestDouble(bench.Path);
        await using var first = await bench.ConnectAsync(guest);
        var refused = 0;
        for (uint port = 10_000; port < 10_100; port++)
        {
            guest.Say(DeviceBench.Header(VsockOperation.Request, port));
            refused += guest.Expect(out _).Operation == VsockOperation.Reset ? 1 : 0;
        }

        Assert.Equal(97, refused);
        Assert.Equal(4, bench.Device.Status.Connections);
        Assert.Equal(5, await first.SendAsync(new byte[5]).Within());
    }

    [Fact]
    public async Task A_guest_that_takes_no_answers_is_not_read_on_and_goes_on_when_it_does()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        // Each packet is refused. The answers take all receive buffers, then 64 wait in the device, then it stops.
        const int read = GuestDouble.RingSize + 64;
        const int answers = read + GuestDouble.RingSize;
        for (uint port = 1; port <= answers; port++)
        {
            guest.Say(DeviceBench.Header(VsockOperation.Request, port) with { DestinationPort = 99 });
            if (port % GuestDouble.RingSize == 0)
            {
                guest.WaitRead(Math.Min((int)port, read));
            }
        }

        guest.WaitRead(read);
        GuestDouble.Signal(guest.TransmitKick);
        // Answered on the device's thread, behind the kick.
        guest.FrontEnd.AskNumber(ChannelSdk.Transports.Vsock.Device.VhostUserRequest.GetFeatures);
        guest.WaitRead(read);
        for (var i = 0; i < answers; i++)
        {
            guest.Expect(VsockOperation.Reset);
        }

        await bench.AssertServesBeside(guest);
    }

    [Fact]
    public async Task A_request_from_a_port_in_use_ends_the_old_connection_and_makes_a_new_one()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var old = await bench.ConnectAsync(guest);
        await using var fresh = await bench.ConnectAsync(guest);
        Assert.Equal(0, await old.ReceiveAsync(new byte[5]).Within());
        Assert.Equal(5, await fresh.SendAsync(new byte[5]).Within());
    }

    [Fact]
    public async Task A_connection_that_ends_in_both_directions_is_confirmed_with_a_reset()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.Say(DeviceBench.Header(VsockOperation.Data, length: 3), "bye"u8);
        guest.Say(DeviceBench.Header(VsockOperation.Shutdown) with { Flags = VsockShutdown.Both });
        guest.Expect(VsockOperation.Reset);
        Assert.Equal(3, await link.ReceiveAsync(new byte[10]).Within());
        Assert.Equal(0, await link.ReceiveAsync(new byte[10]).Within());
        Assert.Equal(0, bench.Device.Status.Connections);
    }

    [Fact]
    public async Task A_half_closed_connection_still_carries_data_the_other_way()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.Say(DeviceBench.Header(VsockOperation.Shutdown) with { Flags = VsockShutdown.Send });
        Assert.Equal(0, await link.ReceiveAsync(new byte[10]).Within());
        Assert.Equal(4, await link.SendAsync("late"u8.ToArray()).Within());
        var header = guest.Expect(out var data);
        Assert.Equal((VsockOperation.Data, 4), (header.Operation, data.Length));
    }

    [Fact]
    public async Task A_peer_without_credit_makes_the_sender_wait_and_is_asked_for_some()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        var block = new byte[64 * 1024];
        Assert.Equal(block.Length, await link.SendAsync(block).Within());
        var waiting = link.SendAsync(new byte[10]).AsTask();
        while (guest.Expect(out _).Operation != VsockOperation.CreditRequest)
        {
        }

        Assert.False(waiting.IsCompleted);
        guest.Say(DeviceBench.Header(VsockOperation.CreditUpdate) with { ForwardCount = 4 });
        Assert.Equal(4, await waiting.Within());
    }

    private static async Task Resets(VsockOperation operation, Func<VsockHeader, VsockHeader> change, ushort type = 1)
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.Say(change(DeviceBench.Header(operation)));
        Assert.Equal(type, guest.Expect(VsockOperation.Reset).Type);
        Assert.Equal(0, await link.ReceiveAsync(new byte[5]).Within());
        Assert.Equal(1, bench.Device.Status.Violations);
        await bench.AssertServesBeside(guest);
    }
}
