using System.Net.Sockets;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>What a process leaves of its front-end, and the next one finds.</summary>
public sealed class FrontEndStoreTests : IDisposable
{
    private readonly DescriptorStore _kept = DescriptorStore.Create(new ForeignCloser())!;
    private readonly ForeignCloser _closer = new();
    private readonly SafeFd _near;
    private readonly Socket _far;

    public FrontEndStoreTests()
    {
        var (own, other) = Linux.Descriptors.Descriptor.SocketPair(Abi.SOCK_STREAM, _closer)!.Value;
        (_near, _far) = (own, new Socket(new SafeSocketHandle(other.DangerousGetHandle(), ownsHandle: true)) { ReceiveTimeout = 10_000 });
        other.SetHandleAsInvalid();
    }

    public void Dispose()
    {
        _kept.Dispose();
        _near.Dispose();
        _far.Dispose();
    }

    [Fact]
    public void The_last_record_is_found_with_its_descriptors_and_only_once()
    {
        using var ram = new GuestRam(1 << 20);
        using var events = GuestDouble.NewEvent();
        var record = Record(1, new RingRecord(128, 7, new RingAddresses(1, 2, 3), true, true, true, true));
        var store = new FrontEndStore(_kept);
        for (var i = 0; i < 100; i++)
        {
            store.Begin();
            store.Keep(Record(0, default), [_near]);
        }

        store.Keep(record, [_near, ram.File, events, events]);
        var files = new List<SafeFd>();
        var found = new FrontEndStore(_kept).Take(_closer, files);
        Assert.Equal((record.Features, record.Receive, record.Transmit), (found!.Features, found.Receive, found.Transmit));
        Assert.Equal(record.Regions, found.Regions);
        Assert.Equal(4, files.Count);
        Assert.Equal(ram.Size, FileCalls.SizeOf(files[1]));
        Assert.True(EventSignal.Prepare() == 0 && EventSignal.IsEvent(files[2]) && !EventSignal.IsEvent(files[1]));
        files.ForEach(static file => file.Dispose());
        Assert.Null(new FrontEndStore(_kept).Take(_closer, []));
    }

    [Fact]
    public void A_front_end_that_may_wait_for_an_answer_is_told_that_its_device_has_gone()
    {
        var store = new FrontEndStore(_kept);
        store.Keep(Record(0, default), [_near]);
        _near.Dispose();
        store.Begin();
        var files = new List<SafeFd>();
        Assert.Null(new FrontEndStore(_kept).Take(_closer, files));
        Assert.Empty(files);
        Assert.Equal(0, _far.Receive(new byte[1]));
    }

    [Fact]
    public void A_front_end_that_has_gone_is_not_kept()
    {
        var store = new FrontEndStore(_kept);
        store.Begin();
        store.Keep(Record(0, default), [_near]);
        store.Begin();
        store.Clear();
        Assert.Null(new FrontEndStore(_kept).Take(_closer, []));
    }

    [Fact]
    public void Its_descriptors_are_closed_with_the_store_if_no_process_takes_them()
    {
        new FrontEndStore(_kept).Keep(Record(0, default), [_near]);
        _near.Dispose();
        Assert.Equal(SocketError.WouldBlock, WithoutWait(_far));
        _kept.Dispose();
        Assert.Equal(0, _far.Receive(new byte[1]));
    }

    public static TheoryData<byte[]> Lies => [
        [1, 2, 3],
        // A count of regions that is not there, one above the most, a negative one.
        [.. new byte[8], 1, 0, 0, 0, .. new byte[64]],
        [.. new byte[8], 9, 0, 0, 0, .. new byte[64 + 9 * 32]],
        [.. new byte[8], 255, 255, 255, 255, .. new byte[64]],
        // A kick without a descriptor.
        [.. new byte[18], 8, 0, .. new byte[56]],
        new byte[4096]];

    [Theory]
    [MemberData(nameof(Lies))]
    public void What_a_process_that_was_taken_over_has_left_is_no_front_end(byte[] lie)
    {
        Assert.Equal(0, _kept.Add(lie, [_near]));
        var files = new List<SafeFd>();
        Assert.Null(new FrontEndStore(_kept).Take(_closer, files));
        Assert.Empty(files);
    }

    [Theory]
    [InlineData(0UL, 3u, false, "queue")]
    [InlineData(0UL, 128u, true, "not in the guest's memory")]
    [InlineData(1UL << 60, 128u, false, "not offered")]
    public async Task A_record_that_lies_ends_its_front_end_and_the_next_one_is_served(ulong features, uint size, bool isOutside, string words)
    {
        using var directory = new TestDirectory();
        await using var supervisor = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"], AnySourcePort = true });
        await using var delegated = (Transports.Abstractions.IDelegatedEndpoint)supervisor.Listen(DeviceBench.Port);
        using var ram = new GuestRam(1 << 20);
        using var events = GuestDouble.NewEvent();
        var outside = isOutside ? 1UL << 40 : 0;
        var ring = new RingRecord(size, 0, new RingAddresses(GuestRam.UserBase + outside, GuestRam.UserBase + 8192 + outside, GuestRam.UserBase + 4096 + outside), true, true, true, true);
        new FrontEndStore(delegated.Store).Keep(
            new FrontEndRecord(VhostUser.OfferedFeatures | features, [new MemoryRegionInfo(GuestRam.GuestBase, (ulong)ram.Size, GuestRam.UserBase, 0)], ring, default), [_near, ram.File, events, events]);
        _near.Dispose();
        var socket = delegated.Listen();
        var endpoint = VsockDevice.Inherit(Copy(socket.Socket), socket.Description.Span, new DescriptorStore(Copy(delegated.Store.Writing), Copy(delegated.Store.Reading)));
        var fault = await Assert.ThrowsAsync<Protocol.Errors.ChannelException>(() => endpoint.OpenAsync(default).AsTask().Within());
        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
        Assert.Equal(0, _far.Receive(new byte[1]));
        var open = endpoint.OpenAsync(default).AsTask();
        using var guest = await Task.Run(() => new GuestDouble(supervisor.SocketPath)).Within();
        guest.Say(DeviceBench.Header(VsockOperation.Request));
        guest.Expect(VsockOperation.Response);
        (await open.Within()).Abort();
        await endpoint.DisposeAsync();
    }

    private static FrontEndRecord Record(int regions, RingRecord ring) => new(
        VhostUser.OfferedFeatures, [.. Enumerable.Range(1, regions).Select(static i => new MemoryRegionInfo((ulong)i << 20, 4096, (ulong)i << 30, 0))], ring, default);

    private static SafeFd Copy(SafeFd file) => new(DescriptorCalls.Fcntl(file, Abi.F_DUPFD_CLOEXEC, 0));

    private static SocketError WithoutWait(Socket socket)
    {
        socket.Blocking = false;
        socket.Receive(new byte[1], SocketFlags.None, out var error);
        socket.Blocking = true;
        return error;
    }
}
