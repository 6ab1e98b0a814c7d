using System.Net.Sockets;
using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Tests.Contract;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Hybrid;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>Dialling through a hybrid socket; the far end stands for the monitor and its guest.</summary>
public sealed class HybridDialContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var directory = new TestDirectory();
        return new TransportRig(
            TransportEndpoints.Create($"vsock-hybrid://{directory["h"]}?port=5000"),
            new MonitorDouble(TransportEndpoints.Create($"unix-listen://{directory["h"]}")))
        {
            Directory = directory,
        };
    }

    private sealed class MonitorDouble(ITransportEndpoint socket) : ITransportEndpoint
    {
        public string Uri => socket.Uri;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            var link = await socket.OpenAsync(cancellationToken);
            Assert.Equal(5000u, await HybridHandshake.ReadAsync(link, "CONNECT"));
            await HybridHandshake.WriteAsync(link, "OK", 1073741824);
            return link;
        }

        public ValueTask DisposeAsync() => socket.DisposeAsync();
    }
}

/// <summary>Listening for what a guest dials; the near end stands for its monitor.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HybridListenContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig()
    {
        var directory = new TestDirectory();
        return new TransportRig(
            TransportEndpoints.Create($"unix://{directory["h"]}_5000"),
            TransportEndpoints.Create($"vsock-hybrid-listen://{directory["h"]}?port=5000"))
        {
            Directory = directory,
        };
    }
}

/// <summary>What goes wrong in the handshake of a hybrid socket.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HybridTests
{
    [Theory]
    [InlineData("", ChannelError.EndpointMissing, "closed without an answer")]
    [InlineData("OK", ChannelError.EndpointMissing, "closed without an answer")]
    [InlineData("OK 5000", ChannelError.EndpointMissing, "closed without an answer")]
    [InlineData("NO 5000\n", ChannelError.TransportFailed, "not 'OK PORT'")]
    [InlineData("OK 5000 1\n", ChannelError.TransportFailed, "not 'OK PORT'")]
    [InlineData("OK -1\n", ChannelError.TransportFailed, "not 'OK PORT'")]
    [InlineData("OK 99999999999\n", ChannelError.TransportFailed, "not 'OK PORT'")]
    [InlineData("HTTP/1.1 400 Bad Request and much more of it\n", ChannelError.TransportFailed, "more than 32 bytes")]
    public async Task A_malformed_answer_is_reported(string answer, ChannelError code, string words)
    {
        using var directory = new TestDirectory();
        using var monitor = Listen(directory["h"]);
        await using var endpoint = TransportEndpoints.Create($"vsock-hybrid://{directory["h"]}?port=5000");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using (var accepted = await monitor.AcceptAsync().Within())
        {
            var request = new byte[64];
            var length = await accepted.ReceiveAsync(request).Within();
            Assert.Equal("CONNECT 5000\n", Encoding.ASCII.GetString(request, 0, length));
            await accepted.SendAsync(Encoding.ASCII.GetBytes(answer)).Within();
        }

        var error = await Assert.ThrowsAsync<ChannelException>(() => open.Within());
        Assert.Equal(code, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_come_together_with_the_answer_are_not_lost()
    {
        using var directory = new TestDirectory();
        using var monitor = Listen(directory["h"]);
        await using var endpoint = TransportEndpoints.Create($"vsock-hybrid://{directory["h"]}?port=5000");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var accepted = await monitor.AcceptAsync().Within();
        await accepted.SendAsync("OK 1073741824\nfirst"u8.ToArray()).Within();
        await using var link = await open.Within();
        var buffer = new byte[16];
        Assert.Equal(5, await link.ReceiveAsync(buffer).Within());
        Assert.Equal("first", Encoding.ASCII.GetString(buffer, 0, 5));
    }

    [Fact]
    public async Task A_monitor_that_never_answers_is_given_up()
    {
        using var directory = new TestDirectory();
        using var monitor = Listen(directory["h"]);
        await using var endpoint = TransportEndpoints.Create($"vsock-hybrid://{directory["h"]}?port=5000");
        var error = await Assert.ThrowsAsync<ChannelException>(() => endpoint.OpenAsync(CancellationToken.None).Within());
        Assert.Equal((ChannelError.EndpointMissing, ErrorClass.Retry), (error.Code, error.Class));
        Assert.Contains("no answer came", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_program_and_a_guest_talk_through_the_device_whichever_side_dials(bool programDials)
    {
        using var directory = new TestDirectory();
        await using var left = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["l"], HybridPath = directory["h"] });
        await using var right = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["r"], AnySourcePort = true });
        left.Start();
        right.Start();
        using var cable = new DeviceCable(directory["l"], directory["r"]);
        await using var program = programDials
            ? TransportEndpoints.Create($"vsock-hybrid://{directory["h"]}?port=5000")
            : TransportEndpoints.Create($"vsock-hybrid-listen://{directory["h"]}?port=5000");
        await using var guest = programDials ? right.Listen(5000) : right.Dial(5000);

        var (dialer, listener) = programDials ? (program, guest) : (guest, program);
        var accepted = listener.OpenAsync(CancellationToken.None).AsTask();
        await using var dialed = await dialer.OpenAsync(CancellationToken.None).Within();
        await using var other = await accepted.Within();

        const int volume = 4 << 20;
        var there = Pattern.SendAsync(dialed, volume, 1, 100_000);
        var back = Pattern.SendAsync(other, volume, 2, 100_000);
        var checkThere = Pattern.CheckAsync(other, volume, 1, 70_000);
        Assert.Equal(volume, await Pattern.CheckAsync(dialed, volume, 2, 70_000).Within());
        Assert.Equal(volume, await checkThere.Within());
        await Task.WhenAll(there, back).Within();

        // The end goes through in one direction, and an answer still comes back in the other.
        ((IHalfClose)dialed).CompleteSend();
        Assert.Equal(0, await other.ReceiveAsync(new byte[1]).Within());
        Assert.Equal(4, await other.SendAsync("late"u8.ToArray()).Within());
        Assert.Equal(4, await dialed.ReceiveAsync(new byte[8]).Within());
        await other.DisposeAsync();
        Assert.Equal(0, await dialed.ReceiveAsync(new byte[1]).Within());
    }

    [Fact]
    public async Task A_guest_that_asks_for_a_port_where_no_program_listens_is_refused()
    {
        using var directory = new TestDirectory();
        await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"], HybridPath = directory["h"] });
        device.Start();
        using var guest = new GuestDouble(directory["v"]);
        guest.Say(DeviceBench.Header(VsockOperation.Request));
        guest.Expect(VsockOperation.Reset);
    }

    [Fact]
    public async Task A_program_that_goes_before_its_answer_leaves_no_connection()
    {
        using var directory = new TestDirectory();
        await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"], HybridPath = directory["h"], MaxConnections = 4 });
        device.Start();
        using var guest = new GuestDouble(directory["v"]);
        for (var i = 0; i < 8; i++)
        {
            using (var program = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                program.Connect(new UnixDomainSocketEndPoint(directory["h"]));
                program.Send("CONNECT 5000\n"u8);
            }

            var request = guest.Expect(VsockOperation.Request);
            guest.Say(Answer(request, VsockOperation.Response));
            guest.Expect(VsockOperation.Shutdown);
            guest.Say(Answer(request, VsockOperation.Reset));
        }

        guest.WaitRead(16);
        Assert.Equal(0, device.Status.Connections);
    }

    private static VsockHeader Answer(in VsockHeader request, VsockOperation operation) => new()
    {
        SourceCid = request.DestinationCid,
        DestinationCid = request.SourceCid,
        SourcePort = request.DestinationPort,
        DestinationPort = request.SourcePort,
        Type = VsockHeader.StreamType,
        Operation = operation,
        BufferAllocation = 64 * 1024,
    };

    [Theory]
    [InlineData("CONNECT 5000\n")]
    [InlineData("HELLO\n")]
    [InlineData("CONNECT and a very long line that never ends")]
    public async Task A_program_that_cannot_be_served_is_closed_without_an_answer(string request)
    {
        using var directory = new TestDirectory();
        await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"], HybridPath = directory["h"] });
        device.Start();
        using var program = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        program.Connect(new UnixDomainSocketEndPoint(directory["h"]));
        await program.SendAsync(Encoding.ASCII.GetBytes(request)).Within();
        Assert.Equal(0, await ReceiveOrEndAsync(program).Within());
    }

    private static async Task<int> ReceiveOrEndAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[10]);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Closed with bytes of ours unread.
            return 0;
        }
    }

    private static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen(4);
        return socket;
    }
}
