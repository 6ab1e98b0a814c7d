using System.Net;
using System.Net.Sockets;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Transports.Tests.LinkLocal;

/// <summary>Only a privileged process of the guest can be the agent on a tap.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class TapSourcePortTests
{
    [Fact]
    public async Task A_guest_that_connects_to_a_tap_from_a_port_any_process_can_have_is_refused_beside_the_agent()
    {
        using var test = new TestNetwork();
        await using var endpoint = TransportEndpoints.Create($"tap://{test.Network.Name}");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var agent = Connect(test.Network, 1023);
        await using var link = await open.Within();
        open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        foreach (var port in new[] { 1024, 48_550 })
        {
            using var program = Connect(test.Network, port);
            program.ReceiveTimeout = 30_000;
            AssertClosed(program);
        }

        var error = await Assert.ThrowsAsync<ChannelException>(() => open.Within());
        Assert.Equal((ChannelError.EndpointDenied, ErrorClass.Retry), (error.Code, error.Class));
        Assert.Contains("from port 1024", error.Message, StringComparison.Ordinal);
        // The agent's link is unchanged, and an agent that connects again is accepted.
        Assert.Equal(2, agent.Send("up"u8));
        Assert.Equal(2, await link.ReceiveAsync(new byte[8]).Within());
        open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var again = Connect(test.Network, 600);
        await (await open.Within()).DisposeAsync();
    }

    [Fact]
    public async Task A_tap_that_takes_any_source_port_serves_programs_of_every_user()
    {
        using var test = new TestNetwork();
        await using var endpoint = TransportEndpoints.Create($"tap://{test.Network.Name}?source-ports=any");
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        using var program = Connect(test.Network, 48_550);
        await (await open.Within()).DisposeAsync();
    }

    private static Socket Connect(LinkLocalNetwork network, int port) => network.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(LinkLocalAddresses.Host, port));
        socket.Connect(LinkLocalAddresses.Host, LinkLocalAddresses.ChannelPort);
        return socket;
    });

    private static void AssertClosed(Socket socket)
    {
        try
        {
            Assert.Equal(0, socket.Receive(new byte[1]));
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // As good an end.
        }
    }
}
