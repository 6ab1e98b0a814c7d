using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>A guest that writes what it likes into its rings ends its device and nothing else.</summary>
public sealed class HostileRingTests
{
    [Fact]
    public Task A_descriptor_loop_ends_the_device() => Breaks("descriptors, or a loop", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), 1, Descriptor.HasNext, 1);
        guest.Transmit.Describe(1, GuestDouble.Physical(GuestDouble.Scratch), 1, Descriptor.HasNext, 0);
        guest.Transmit.Offer(0);
    });

    [Fact]
    public Task A_descriptor_that_leads_to_itself_in_an_indirect_table_ends_the_device() => Breaks("or a loop", guest =>
    {
        RingDouble.Describe(guest.Ram.At(GuestDouble.Scratch, 16), GuestDouble.Physical(0), 1, Descriptor.HasNext, 0);
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), 16, Descriptor.IsIndirect);
        guest.Transmit.Offer(0);
    });

    [Theory]
    [InlineData(0UL, 44u)]
    [InlineData(GuestRam.GuestBase - 1, 44u)]
    [InlineData(ulong.MaxValue, 44u)]
    [InlineData(ulong.MaxValue - 43, 44u)]
    [InlineData(GuestRam.GuestBase, uint.MaxValue)]
    [InlineData(GuestRam.UserBase, 44u)]
    public Task A_buffer_that_is_not_in_the_guests_memory_ends_the_device(ulong address, uint length) =>
        Breaks("out of the guest's memory", guest =>
        {
            guest.Transmit.Describe(0, address, length, 0);
            guest.Transmit.Offer(0);
        });

    [Fact]
    public Task A_buffer_that_ends_one_byte_behind_the_memory_ends_the_device() => Breaks("out of the guest's memory", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(guest.Ram.Size - 43), 44, 0);
        guest.Transmit.Offer(0);
    });

    [Theory]
    [InlineData(0u)]
    [InlineData(43u)]
    public Task A_chain_shorter_than_a_header_ends_the_device(uint length) => Breaks("less than its header", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), length, 0);
        guest.Transmit.Offer(0);
    });

    [Fact]
    public Task A_head_outside_of_the_table_ends_the_device() =>
        Breaks("descriptor 128 in a table of 128", guest => guest.Transmit.Offer(GuestDouble.RingSize));

    [Fact]
    public Task A_next_outside_of_the_table_ends_the_device() => Breaks("descriptor 65535 in a table of 128", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), 44, Descriptor.HasNext, ushort.MaxValue);
        guest.Transmit.Offer(0);
    });

    [Theory]
    [InlineData(129)]
    [InlineData(30_000)]
    [InlineData(65_535)]
    public Task An_available_index_that_jumps_ends_the_device(int jump) =>
        Breaks("that jumps by", guest => guest.Transmit.AvailableIndex += (ushort)jump);

    [Theory]
    [InlineData(0u)]
    [InlineData(15u)]
    [InlineData(16u * 129)]
    [InlineData(0xFFFF_FFF0u)]
    public Task An_indirect_table_of_a_wrong_size_ends_the_device(uint length) => Breaks("an indirect table of", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), length, Descriptor.IsIndirect);
        guest.Transmit.Offer(0);
    });

    [Fact]
    public Task An_indirect_table_within_one_ends_the_device() => Breaks("an indirect table within", guest =>
    {
        RingDouble.Describe(guest.Ram.At(GuestDouble.Scratch, 16), GuestDouble.Physical(GuestDouble.Scratch), 16, Descriptor.IsIndirect, 0);
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), 16, Descriptor.IsIndirect);
        guest.Transmit.Offer(0);
    });

    [Fact]
    public Task A_writable_buffer_to_send_from_ends_the_device() => Breaks("wrong direction in the transmit", guest =>
    {
        guest.Transmit.Describe(0, GuestDouble.Physical(GuestDouble.Scratch), 44, Descriptor.IsWritable);
        guest.Transmit.Offer(0);
    });

    [Fact]
    public async Task A_receive_buffer_without_room_for_data_ends_the_device()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        for (uint i = 0; i < GuestDouble.RingSize; i++)
        {
            guest.Receive.Describe(i, GuestDouble.Physical(GuestDouble.Scratch), VsockHeader.Size, Descriptor.IsWritable);
        }

        await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            while (true)
            {
                await link.SendAsync(new byte[100_000]).Within();
            }
        });
        await bench.AssertFault(guest.FrontEnd, "a receive buffer of 44 bytes");
    }

    [Fact]
    public async Task Buffers_that_overlap_each_other_and_the_rings_harm_only_the_guest()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        // Every receive buffer is the receive ring itself.
        for (uint i = 0; i < GuestDouble.RingSize; i++)
        {
            guest.Receive.Describe(i, GuestDouble.Physical(0), RingDouble.Room, Descriptor.IsWritable);
        }

        await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            var noise = new byte[60_000];
            new Random(5).NextBytes(noise);
            while (true)
            {
                await link.SendAsync(noise).Within();
            }
        });
        guest.FrontEnd.WaitClosed();
        await Assert.ThrowsAsync<ChannelException>(() => bench.Listener.OpenAsync(CancellationToken.None).Within());
        await bench.AssertServes();
    }

    [Fact]
    public async Task The_links_of_a_broken_device_end()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        var receive = link.ReceiveAsync(new byte[10]).AsTask();
        guest.Transmit.Offer(ushort.MaxValue);
        GuestDouble.Signal(guest.TransmitKick);
        Assert.Equal(0, await receive.Within());
        await Assert.ThrowsAsync<ChannelException>(() => link.SendAsync(new byte[10]).Within());
        Assert.Equal(0, bench.Device.Status.Connections);
    }

    private static async Task Breaks(string words, Action<GuestDouble> attack)
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        attack(guest);
        GuestDouble.Signal(guest.TransmitKick);
        await bench.AssertFault(guest.FrontEnd, words, open);
    }
}
