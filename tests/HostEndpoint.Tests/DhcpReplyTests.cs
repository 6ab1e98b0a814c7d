using System.Buffers.Binary;
using ChannelSdk.Metadata.LinkLocal;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>The DHCP answers to a guest, for any request.</summary>
public class DhcpReplyTests
{
    private static byte[] Request(byte type, byte[]? address = null)
    {
        var request = new byte[300];
        (request[0], request[1], request[2]) = (1, 1, 6);
        address?.CopyTo(request, 12);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(236), 0x63825363);
        new byte[] { 53, 1, type, 255 }.CopyTo(request, 240);
        return request;
    }

    private static byte[]? Option(byte[] reply, byte code)
    {
        for (var at = 240; reply[at] != 255; at += 2 + reply[at + 1])
        {
            if (reply[at] == code)
            {
                return reply[(at + 2)..(at + 2 + reply[at + 1])];
            }
        }

        return null;
    }

    [Fact]
    public void A_guest_that_has_an_address_and_informs_gets_an_acknowledgement_without_a_lease()
    {
        var reply = new byte[DhcpReply.Size];
        Assert.True(DhcpReply.TryWrite(Request(8, [169, 254, 169, 1]), reply));
        Assert.Equal([5], Option(reply, 53));
        Assert.Equal([255, 255, 255, 0], Option(reply, 1));
        Assert.Equal([169, 254, 169, 254], Option(reply, 54));
        Assert.Null(Option(reply, 51));
        Assert.Equal([169, 254, 169, 1, 0, 0, 0, 0], reply[12..20]);
    }

    [Fact]
    public void A_guest_that_discovers_is_offered_the_one_address_with_a_lease()
    {
        var reply = new byte[DhcpReply.Size];
        Assert.True(DhcpReply.TryWrite(Request(1), reply));
        Assert.Equal([2], Option(reply, 53));
        Assert.NotNull(Option(reply, 51));
        Assert.Equal([0, 0, 0, 0, 169, 254, 169, 1], reply[12..20]);
    }

    [Fact]
    public void Any_bytes_are_answered_or_left()
    {
        var random = new Random(3);
        var reply = new byte[DhcpReply.Size];
        for (var i = 0; i < 20_000; i++)
        {
            var request = Request((byte)random.Next(10))[..random.Next(1, 301)];
            for (var flip = 0; flip < 4; flip++)
            {
                request[random.Next(request.Length)] = (byte)random.Next(256);
            }

            random.NextBytes(request.AsSpan(Math.Min(request.Length, 240 + random.Next(20))));
            DhcpReply.TryWrite(request, reply);
        }
    }
}
