using ChannelSdk.Linux.Native;

namespace ChannelSdk.InGuest;

/// <summary>
/// What the sockets of a guest do over the device that the host serves, in the manner of the Linux kernel's vsock tests. The
/// host side (tests/Guest.Tests, DeviceSocketHost) has a port for each way to behave.
/// </summary>
public sealed class DeviceSocketTests
{
    private const uint Echo = 7001;
    private const uint SendsAndEnds = 7002;
    private const uint ReadsLate = 7003;
    private const uint Resets = 7004;
    private const uint Nobody = 7999;
    private const int DontWait = 0x40;
    private const int Peek = 0x2;

    [Fact]
    public void A_port_without_a_listener_resets()
    {
        Assert.Equal(Errno.ECONNRESET, VsockSocket.Connect(Nobody).Errno);
    }

    [Fact]
    public void The_peer_is_the_host_and_the_port()
    {
        using var socket = VsockSocket.To(Echo);
        Assert.Equal((2u, Echo), socket.Peer);
    }

    [Fact]
    public void A_half_closed_connection_still_receives()
    {
        var bytes = Bytes(300_000);
        using var socket = VsockSocket.To(Echo);
        socket.SendAll(bytes.AsSpan(0, 100_000));
        socket.SendAll(bytes.AsSpan(100_000));
        socket.EndSending();
        Assert.Equal(bytes, socket.ReceiveToEnd());
    }

    [Fact]
    public void What_the_host_sent_before_it_ended_is_read_and_then_the_end()
    {
        using var socket = VsockSocket.To(SendsAndEnds);
        Assert.Equal(Bytes(1 << 20), socket.ReceiveToEnd());
        Assert.Equal(0, socket.Receive(new byte[1]));
    }

    [Fact]
    public void A_small_receive_buffer_is_never_overrun()
    {
        using var socket = VsockSocket.To(SendsAndEnds, bufferSize: 4096);
        Assert.Equal(Bytes(1 << 20), socket.ReceiveToEnd());
    }

    [Fact]
    public void A_host_that_does_not_read_stops_the_sender_and_credit_lets_it_go_on()
    {
        using var socket = VsockSocket.To(ReadsLate);
        var bytes = Bytes(4 << 20);
        var sent = 0;
        while (socket.TrySend(bytes.AsSpan(sent, Math.Min(64 << 10, bytes.Length - sent)), DontWait) is var count && count > 0)
        {
            sent += (int)count;
            Assert.True(sent < bytes.Length, "4 MiB went to a host that reads nothing");
        }

        // The go-ahead is on its own connection; then the rest goes.
        using var start = VsockSocket.To(ReadsLate + 100);
        socket.SendAll(bytes.AsSpan(sent));
        socket.EndSending();
        var total = new byte[8];
        Assert.Equal(8, socket.Receive(total));
        Assert.Equal(bytes.Length, BitConverter.ToInt64(total));
    }

    [Fact]
    public void A_reset_ends_reading_and_writing()
    {
        using var socket = VsockSocket.To(Resets);
        socket.SendAll([1]);
        var end = socket.Receive(new byte[1]);
        Assert.True(end is 0 || end == -Errno.ECONNRESET, $"recv gave {end}");
        Assert.True(socket.TrySend([1], 0) < 0);
    }

    [Fact]
    public void A_peek_takes_nothing()
    {
        using var socket = VsockSocket.To(Echo);
        socket.SendAll([1, 2, 3]);
        var peeked = new byte[3];
        Assert.InRange(socket.Receive(peeked, Peek), 1, 3);
        socket.EndSending();
        Assert.Equal([1, 2, 3], socket.ReceiveToEnd());
    }

    [Fact]
    public void A_large_write_arrives_whole()
    {
        var bytes = Bytes(8 << 20);
        using var socket = VsockSocket.To(Echo);
        var sending = new Thread(() =>
        {
            socket.SendAll(bytes);
            socket.EndSending();
        });
        sending.Start();
        Assert.True(bytes.AsSpan().SequenceEqual(socket.ReceiveToEnd()));
        sending.Join();
    }

    [Fact]
    public void Many_connections_are_open_at_once_and_none_gets_anothers_bytes()
    {
        var sockets = Enumerable.Range(0, 100).Select(_ => VsockSocket.To(Echo)).ToArray();
        for (var i = 0; i < sockets.Length; i++)
        {
            sockets[i].SendAll(BitConverter.GetBytes(i));
        }

        for (var i = 0; i < sockets.Length; i++)
        {
            sockets[i].EndSending();
            Assert.Equal(BitConverter.GetBytes(i), sockets[i].ReceiveToEnd());
            sockets[i].Dispose();
        }
    }

    [Fact]
    public void Above_the_devices_limit_a_connection_is_reset_and_the_others_live()
    {
        var sockets = new List<VsockSocket>();
        var errno = 0;
        while (errno == 0 && sockets.Count < 300)
        {
            (var socket, errno) = VsockSocket.Connect(Echo);
            if (socket is not null)
            {
                sockets.Add(socket);
            }
        }

        Assert.Equal(Errno.ECONNRESET, errno);
        // The limit, or fewer where the listener's backlog was full before.
        Assert.InRange(sockets.Count, 16, 128);
        foreach (var socket in sockets)
        {
            socket.SendAll([9]);
            Assert.Equal(1, socket.Receive(new byte[1]));
            socket.Dispose();
        }
    }

    [Fact]
    public void Connections_come_and_go_without_an_end()
    {
        for (var i = 0; i < 300; i++)
        {
            using var socket = VsockSocket.To(Echo);
            socket.SendAll([(byte)i]);
            Assert.Equal(1, socket.Receive(new byte[1]));
        }
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(7).NextBytes(bytes);
        return bytes;
    }
}
