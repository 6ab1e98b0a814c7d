using System.Net.Sockets;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.InMemory;
using ChannelSdk.Transports.Schemes;
using Xunit;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A link whose handshake does not end has a time limit, whichever side connected.</summary>
public sealed class HandshakeTimeTests
{
    private static readonly ChannelOptions s_options = new()
    {
        Session = new SessionOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(300) },
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_dialing_endpoint_lets_go_of_a_peer_that_does_not_end_the_handshake(bool saysHello)
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            listener.Bind(new UnixDomainSocketEndPoint($"{folder.FullName}/socket"));
            listener.Listen();
            await using var host = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{folder.FullName}/socket"), new ServiceRegistry(), s_options);
            host.Start();
            // It comes again after each.
            for (var i = 0; i < 2; i++)
            {
                using var peer = await listener.AcceptAsync(ChannelPair.Soon);
                await ExpectEndAsync(peer, saysHello);
            }

            await WaitForNoHelloAsync(host);
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_listening_endpoint_lets_go_of_a_peer_that_does_not_end_the_handshake()
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        var path = $"{folder.FullName}/socket";
        await using (var host = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix-listen://{path}"), new ServiceRegistry(), s_options))
        {
            host.Start();
            using var peer = await RawPeer.ConnectAsync(path);
            await ExpectEndAsync(peer, saysHello: true);
            await WaitForNoHelloAsync(host);
        }

        folder.Delete(recursive: true);
    }

    private static async Task ExpectEndAsync(Socket peer, bool saysHello)
    {
        if (saysHello)
        {
            await peer.SendAsync(await NewHelloAsync(), ChannelPair.Soon);
        }

        var buffer = new byte[4096];
        while (true)
        {
            try
            {
                if (await peer.ReceiveAsync(buffer, ChannelPair.Soon) == 0)
                {
                    return;
                }
            }
            catch (SocketException)
            {
                return;
            }
        }
    }

    private static async Task WaitForNoHelloAsync(Channel host)
    {
        for (var soon = ChannelPair.Soon; host.Status.LastError?.Code != ChannelError.NoHello;)
        {
            await Task.Delay(1, soon);
        }
    }

    /// <summary>A guest's first HELLO, which answers to no link.</summary>
    private static async Task<ReadOnlyMemory<byte>> NewHelloAsync()
    {
        await using var memory = new InMemoryPair();
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, new ServiceRegistry());
        guest.Start();
        await using var link = await memory.Host.OpenAsync(ChannelPair.Soon);
        var buffer = new byte[4096];
        return buffer.AsMemory(0, await link.ReceiveAsync(buffer));
    }
}
