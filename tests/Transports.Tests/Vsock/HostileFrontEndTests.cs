using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Vsock.Device;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>A front-end that says what it likes, or goes at any moment, ends its device and nothing else.</summary>
public sealed class HostileFrontEndTests
{
    [Fact]
    public async Task A_front_end_that_hangs_up_at_any_byte_of_its_set_up_leaves_the_device_serving()
    {
        await using var bench = new DeviceBench();
        using var ram = new GuestRam(1 << 20);
        using var kick = GuestDouble.NewEvent();
        byte[] setUp = [
            .. Message(VhostUserRequest.SetFeatures, VhostUser.OfferedFeatures),
            .. Message(VhostUserRequest.SetMemoryTable, 1, GuestRam.GuestBase, 1 << 20, GuestRam.UserBase, 0),
            .. Message(VhostUserRequest.SetRingSize, 1 | 128UL << 32),
            .. Message(VhostUserRequest.SetRingAddress, 1, GuestRam.UserBase, GuestRam.UserBase + 8192, GuestRam.UserBase + 4096, 0),
            .. Message(VhostUserRequest.SetRingKick, 1),
            .. Message(VhostUserRequest.EnableRing, 1 | 1UL << 32)];
        var memoryAt = Message(VhostUserRequest.SetFeatures, 0).Length;
        var kickAt = setUp.Length - 2 * memoryAt;
        for (var length = 1; length <= setUp.Length; length += length < 8 ? 1 : 7)
        {
            using var frontEnd = new FrontEndDouble(bench.Path);
            SendWith(frontEnd, setUp.AsSpan(0, length), (memoryAt, ram.File), (kickAt, kick));
        }

        Assert.Equal((0, null), (bench.Device.Status.Faults, bench.Device.Status.LastFault));
        await bench.AssertServes();
    }

    [Fact]
    public Task A_message_of_another_version_ends_the_device() =>
        Breaks("impossible length or version", frontEnd => frontEnd.Send(1, 2, 0, default, default));

    [Fact]
    public Task A_message_that_claims_a_huge_payload_ends_the_device() =>
        Breaks("impossible length or version", frontEnd => frontEnd.Send(5, 1, uint.MaxValue, default, default));

    [Fact]
    public Task A_message_too_short_for_its_request_ends_the_device() =>
        Breaks("it has at least 40", frontEnd => frontEnd.Tell(VhostUserRequest.SetRingAddress, 0, 0));

    [Fact]
    public Task Features_that_were_not_offered_end_the_device() =>
        Breaks("which were not offered", frontEnd => frontEnd.Tell(VhostUserRequest.SetFeatures, 1UL << 40));

    [Fact]
    public Task An_unknown_request_ends_the_device() =>
        Breaks("request 99, which was not negotiated", frontEnd => frontEnd.Tell((VhostUserRequest)99, 0UL));

    [Fact]
    public Task A_queue_that_there_is_not_ends_the_device() =>
        Breaks("a queue 7", frontEnd => frontEnd.TellRing(VhostUserRequest.SetRingSize, 7, 128));

    [Fact]
    public Task A_queue_without_kick_ends_the_device() => Breaks(
        "without kick descriptor", frontEnd => frontEnd.Tell(VhostUserRequest.SetRingKick, 1 | VhostUser.NoDescriptor));

    [Theory]
    [InlineData(3u)]
    [InlineData(100u)]
    [InlineData(32_768u)]
    [InlineData(uint.MaxValue)]
    public Task A_queue_of_an_impossible_size_ends_the_device(uint size) => Breaks("queue", frontEnd =>
    {
        using var ram = new GuestRam(1 << 20);
        using var kick = GuestDouble.NewEvent();
        frontEnd.Negotiate(VhostUser.OfferedFeatures);
        frontEnd.SetMemory(ram);
        frontEnd.TellRing(VhostUserRequest.SetRingSize, 1, size);
        frontEnd.Tell(VhostUserRequest.SetRingAddress, 1, GuestRam.UserBase, GuestRam.UserBase + 8192, GuestRam.UserBase + 4096, 0);
        frontEnd.Tell(VhostUserRequest.SetRingKick, MemoryMarshal.AsBytes<ulong>([1]), kick);
        frontEnd.TellRing(VhostUserRequest.EnableRing, 1, 1);
    });

    [Theory]
    [InlineData(0UL, 8192UL, 4096UL)]
    [InlineData(8UL, 8192UL, 4096UL)]
    [InlineData((1UL << 20) - 16, 8192UL, 4096UL)]
    [InlineData(4096UL, 8192UL, (1UL << 20) - 2)]
    [InlineData(4096UL, (1UL << 20) - 4, 8192UL)]
    public Task A_queue_that_is_not_in_the_memory_or_not_aligned_ends_the_device(ulong descriptors, ulong used, ulong available) =>
        Breaks("not in the guest's memory or not aligned", frontEnd =>
        {
            using var ram = new GuestRam(1 << 20);
            using var kick = GuestDouble.NewEvent();
            frontEnd.Negotiate(VhostUser.OfferedFeatures);
            frontEnd.SetMemory(ram);
            frontEnd.TellRing(VhostUserRequest.SetRingSize, 1, 128);
            var origin = descriptors == 0 ? 0 : GuestRam.UserBase;
            frontEnd.Tell(VhostUserRequest.SetRingAddress, 1, origin + descriptors, origin + used, origin + available, 0);
            frontEnd.Tell(VhostUserRequest.SetRingKick, MemoryMarshal.AsBytes<ulong>([1]), kick);
            frontEnd.TellRing(VhostUserRequest.EnableRing, 1, 1);
        });

    [Fact]
    public Task Memory_that_could_shrink_is_refused() => Breaks("could make smaller", frontEnd =>
    {
        using var ram = new GuestRam(1 << 20, isSealed: false);
        frontEnd.Tell(VhostUserRequest.SetMemoryTable, MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, 1 << 20, GuestRam.UserBase, 0]), ram.File);
    });

    [Theory]
    [InlineData(1UL, 0UL, 0UL, 0UL)]
    [InlineData(1UL, 2UL << 20, 0UL, 0UL)]
    [InlineData(1UL, 1UL << 20, 4096UL, 0UL)]
    [InlineData(1UL, 4095UL, 0UL, 0UL)]
    [InlineData(1UL, 4096UL, 0xFFFF_FFFF_FFFF_F000UL, 0UL)]
    [InlineData(1UL, 4096UL, 0UL, 0xFFFF_FFFF_FFFF_F000UL)]
    [InlineData(2UL, 4096UL, 0UL, 0UL)]
    [InlineData(9UL, 4096UL, 0UL, 0UL)]
    [InlineData(0UL, 4096UL, 0UL, 0UL)]
    public Task A_memory_table_that_cannot_be_ends_the_device(ulong count, ulong length, ulong fileOffset, ulong guestAddress) =>
        Breaks("memory", frontEnd =>
        {
            using var ram = new GuestRam(1 << 20);
            frontEnd.Tell(VhostUserRequest.SetMemoryTable,
                MemoryMarshal.AsBytes<ulong>([count, guestAddress, length, GuestRam.UserBase, fileOffset]), ram.File);
        });

    [Fact]
    public Task Regions_that_overlap_end_the_device() => Breaks("memory regions that overlap", frontEnd =>
    {
        using var ram = new GuestRam(1 << 20);
        frontEnd.Tell(VhostUserRequest.SetMemoryTable,
            MemoryMarshal.AsBytes<ulong>([2, 0, 8192, 0, 0, 4096, 8192, 1 << 30, 0]), ram.File, ram.File);
    });

    [Fact]
    public Task More_descriptors_than_regions_can_have_end_the_device() => Breaks("more than 8 descriptors", frontEnd =>
    {
        using var ram = new GuestRam(4096);
        frontEnd.Tell(VhostUserRequest.SetMemoryTable, new byte[8], [.. Enumerable.Repeat(ram.File, 20)]);
    });

    [Theory]
    [InlineData(16L << 40, 1)]
    [InlineData((1L << 40) + 4096, 1)]
    [InlineData(513L << 30, 2)]
    [InlineData(129L << 30, 8)]
    public Task A_memory_table_above_the_limit_ends_the_device_before_it_is_mapped(long length, int regions) =>
        Breaks($"a memory table of more than {1L << 40} bytes", frontEnd =>
        {
            // Sparse and sealed: nothing but its size is wrong.
            using var ram = new GuestRam(4096, length: length);
            ulong[] table = [(ulong)regions, .. Enumerable.Range(0, regions).SelectMany(i => (ulong[])[(ulong)i << 44, (ulong)length, (ulong)i << 44, 0])];
            frontEnd.Tell(VhostUserRequest.SetMemoryTable, MemoryMarshal.AsBytes<ulong>(table), [.. Enumerable.Repeat(ram.File, regions)]);
        });

    [Fact]
    public async Task A_memory_table_of_as_much_as_the_limit_is_served()
    {
        await using var bench = new DeviceBench(maxMemory: GuestDouble.RamSize);
        await bench.AssertServes();
        using var larger = new GuestRam(4096, length: GuestDouble.RamSize + 4096);
        using var frontEnd = new FrontEndDouble(bench.Path);
        frontEnd.Tell(VhostUserRequest.SetMemoryTable,
            MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, GuestDouble.RamSize + 4096, GuestRam.UserBase, 0]), larger.File);
        await bench.AssertFault(frontEnd, $"more than {GuestDouble.RamSize} bytes");
    }

    [Fact]
    public async Task A_memory_table_that_no_longer_holds_a_running_queue_ends_the_device()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.FrontEnd.Tell(VhostUserRequest.SetMemoryTable,
            MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, 4096, GuestRam.UserBase, 0]), guest.Ram.File);
        await bench.AssertFault(guest.FrontEnd, "not in the guest's memory");
        Assert.Equal(0, await link.ReceiveAsync(new byte[1]).Within());
    }

    [Fact]
    public async Task The_same_memory_table_again_changes_nothing()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.FrontEnd.SetMemory(guest.Ram);
        Assert.Equal(5, await link.SendAsync(new byte[5]).Within());
        guest.Expect(Transports.Vsock.Packets.VsockOperation.Data);
        await bench.AssertServesBeside(guest);
    }

    [Fact]
    public async Task A_buffer_in_memory_that_was_taken_away_ends_the_device()
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        guest.FrontEnd.Ask(VhostUserRequest.SetMemoryTable,
            MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, 2 * RingDouble.Room, GuestRam.UserBase, 0]), guest.Ram.File);
        await Assert.ThrowsAsync<ChannelException>(() => link.SendAsync(new byte[5]).Within());
        await bench.AssertFault(guest.FrontEnd, "out of the guest's memory");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Queues_that_are_stopped_and_started_keep_the_connections_unless_the_driver_restarted(bool goesOn)
    {
        await using var bench = new DeviceBench();
        using var guest = new GuestDouble(bench.Path);
        await using var link = await bench.ConnectAsync(guest);
        var receive = link.ReceiveAsync(new byte[8]).AsTask();
        uint[] bases = [Stop(guest, 0), Stop(guest, 1)];
        Assert.Equal([1u, 1u], bases);
        Assert.Equal((1, 1), (guest.Receive.UsedIndex, guest.Transmit.UsedIndex));
        if (!goesOn)
        {
            // A driver that restarts has empty rings.
            foreach (var ring in new[] { guest.Receive, guest.Transmit })
            {
                ring.AvailableIndex = 0;
                ring.UsedIndex = 0;
            }
        }

        guest.SetUp(0, guest.Receive, guest.ReceiveKick, goesOn ? bases[0] : 0);
        guest.SetUp(1, guest.Transmit, guest.TransmitKick, goesOn ? bases[1] : 0);
        if (goesOn)
        {
            guest.Say(DeviceBench.Header(Transports.Vsock.Packets.VsockOperation.Data, length: 2), "ok"u8);
            Assert.Equal(2, await receive.Within());
        }
        else
        {
            Assert.Equal(0, await receive.Within());
        }
    }

    private static uint Stop(GuestDouble guest, uint ring) =>
        MemoryMarshal.Read<uint>(guest.FrontEnd.Ask(VhostUserRequest.GetRingBase, MemoryMarshal.AsBytes<uint>([ring, 0])).AsSpan(4));

    private static async Task Breaks(string words, Action<FrontEndDouble> attack)
    {
        await using var bench = new DeviceBench();
        using var frontEnd = new FrontEndDouble(bench.Path);
        var open = bench.Listener.OpenAsync(CancellationToken.None).AsTask();
        attack(frontEnd);
        await bench.AssertFault(frontEnd, words, open);
    }

    private static byte[] Message(VhostUserRequest request, params ReadOnlySpan<ulong> words)
    {
        var payload = MemoryMarshal.AsBytes(words.IsEmpty ? [0UL] : words);
        return [.. BitConverter.GetBytes((uint)request), 1, 0, 0, 0, .. BitConverter.GetBytes(payload.Length), .. payload];
    }

    /// <summary>Sends bytes, each descriptor with the byte at its offset.</summary>
    private static void SendWith(FrontEndDouble frontEnd, ReadOnlySpan<byte> bytes, params ReadOnlySpan<(int At, SafeFd File)> files)
    {
        var sent = 0;
        foreach (var (at, file) in files)
        {
            if (at >= bytes.Length)
            {
                break;
            }

            frontEnd.SendRaw(bytes[sent..at]);
            frontEnd.SendRaw(bytes.Slice(at, 1), file);
            sent = at + 1;
        }

        if (sent < bytes.Length)
        {
            frontEnd.SendRaw(bytes[sent..]);
        }
    }
}
