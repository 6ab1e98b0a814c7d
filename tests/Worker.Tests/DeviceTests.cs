using System.Net.Sockets;
using System.Runtime.InteropServices;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Device;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>A vsock device in a confined process: what QEMU shares reaches that process and no other.</summary>
public sealed class DeviceTests
{
    private static readonly InstanceOptions s_options = new() { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = WorkerPrograms.Worker } };

    private const int SigStop = 19;
    private const int Messages = 200;
    private const int Size = 60_000;

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task Calls_and_streams_go_through_the_device_of_a_worker()
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.Echo.HostUri, s_options);
        await guest.PlugAsync();
        await vm.WaitReadyAsync(Soon);
        // As the supervisor knows it.
        Assert.Equal((VsockDevice.Scheme, $"{guest.Path}?cid=3&port=5000"), (vm.Channel.Status.Peer!.Value.Scheme, vm.Channel.Status.Peer!.Value.Address));
        await using var stream = await EchoGuest.ExchangeAsync(vm.Channel, Soon);
    }

    [Theory]
    [InlineData(Abi.SIGKILL)]
    [InlineData(SigStop)]
    public async Task The_worker_after_one_that_has_died_goes_on_with_a_QEMU_that_has_not_noticed(int signal)
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.Echo.HostUri, s_options);
        await guest.PlugAsync();
        await vm.WaitReadyAsync(Soon);
        var session = vm.Channel.Status.SessionId;
        await using var stream = await vm.Channel.OpenStreamAsync(EchoGuest.EchoStream, new Empty(), cancellationToken: Soon);
        for (var round = 1; round <= (signal == Abi.SIGKILL ? 3 : 1); round++)
        {
            var before = vm.Status.Worker!.ProcessId;
            var writing = WriteAsync(stream);
            Assert.Equal(0, ProcessCalls.Kill(before, signal));
            for (var i = 0; i < Messages; i++)
            {
                using var echo = await stream.ReadAsync(Soon);
                Assert.Equal((Size, (byte)i), (echo.Memory.Length, echo.Span[0]));
            }

            await writing;
            await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon);
            Assert.NotEqual(before, vm.Status.Worker!.ProcessId);
            Assert.Equal((session, round), (vm.Channel.Status.SessionId, vm.Channel.Status.Resumes));
        }
    }

    [Fact]
    public async Task A_request_of_QEMU_that_a_stopped_worker_does_not_read_is_answered_by_the_next_one()
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", guest.Echo.HostUri, s_options);
        await guest.WaitSocketAsync();
        using var frontEnd = new FrontEndDouble(guest.Path);
        Assert.Equal(VhostUser.OfferedFeatures, frontEnd.AskNumber(VhostUserRequest.GetFeatures));
        var worker = vm.Status.Worker!.ProcessId;
        _ = ProcessCalls.Kill(worker, SigStop);
        var asked = Task.Run(() => frontEnd.AskNumber(VhostUserRequest.GetQueueCount));
        _ = ProcessCalls.Kill(worker, Abi.SIGKILL);
        Assert.Equal((ulong)VhostUser.Queues, await asked.Within());
    }

    public static TheoryData<string> HostileFrontEnds => ["impossible length or version", "which was not negotiated", "could make smaller", "that is no eventfd", "a memory table of more than"];

    [Theory]
    [MemberData(nameof(HostileFrontEnds))]
    public async Task A_QEMU_that_breaks_the_protocol_ends_its_device_and_neither_the_worker_nor_the_next_QEMU(string fault)
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", $"{guest.Echo.HostUri}&max-memory-mib=64", s_options);
        await guest.WaitSocketAsync();
        await using var events = vm.Channel.WatchAsync(Soon).GetAsyncEnumerator(Soon);
        using (var frontEnd = new FrontEndDouble(guest.Path))
        {
            using var ram = new GuestRam(1 << 20, isSealed: !fault.Contains("smaller", StringComparison.Ordinal));
            Break(frontEnd, fault, ram);
            await Task.Run(frontEnd.WaitClosed).Within();
        }

        do
        {
            Assert.True(await events.MoveNextAsync());
        }
        while (events.Current.Kind != ChannelEventKind.EndpointFailed);
        Assert.Contains(fault, events.Current.Text, StringComparison.Ordinal);
        var worker = vm.Status.Worker!.ProcessId;
        await guest.PlugAsync();
        await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon);
        Assert.Equal(worker, vm.Status.Worker!.ProcessId);
    }

    [Fact]
    public async Task An_instance_whose_socket_is_in_use_says_so_and_is_up_once_it_is_free()
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        Instance vm;
        using (var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            other.Bind(new UnixDomainSocketEndPoint(guest.Path));
            other.Listen();
            vm = host.Attach("vm1", guest.Echo.HostUri, s_options);
            while (vm.Channel.Status.LastError?.Code != ChannelError.EndpointBusy)
            {
                await Task.Delay(5).Within();
            }
        }

        File.Delete(guest.Path);
        await guest.PlugAsync();
        await vm.Channel.CallAsync(EchoGuest.Echo, new BytesValue(), cancellationToken: Soon);
        // The path is the supervisor's, and goes with the instance.
        await host.DetachAsync("vm1");
        Assert.False(File.Exists(guest.Path));
    }

    [Fact]
    public async Task A_device_with_a_hybrid_socket_is_refused()
    {
        await using var guest = new DeviceGuest();
        await using var host = new ChannelHost();
        var vm = host.Attach("vm1", $"{guest.Echo.HostUri}&hybrid={guest.Path}.hybrid", s_options);
        while (vm.Channel.Status.LastError?.Code != ChannelError.Unsupported)
        {
            await Task.Delay(5).Within();
        }
    }

    private static void Break(FrontEndDouble frontEnd, string fault, GuestRam ram)
    {
        switch (fault[..12])
        {
            case "impossible l":
                frontEnd.Send(5, 1, uint.MaxValue, default, default);
                break;
            case "which was no":
                frontEnd.Tell((VhostUserRequest)99, 0UL);
                break;
            case "that is no e":
                frontEnd.Negotiate(VhostUser.OfferedFeatures);
                frontEnd.SetMemory(ram);
                frontEnd.Tell(VhostUserRequest.SetRingKick, MemoryMarshal.AsBytes<ulong>([1]), ram.File);
                break;
            default:
                var size = fault.Contains("smaller", StringComparison.Ordinal) ? 1UL << 20 : 1UL << 30;
                frontEnd.Tell(VhostUserRequest.SetMemoryTable, MemoryMarshal.AsBytes<ulong>([1, GuestRam.GuestBase, size, GuestRam.UserBase, 0]), ram.File);
                break;
        }
    }

    private static async Task WriteAsync(ChannelStream stream)
    {
        for (var i = 0; i < Messages; i++)
        {
            var message = new byte[Size];
            message[0] = (byte)i;
            await stream.WriteAsync(message, Soon);
        }
    }
}
