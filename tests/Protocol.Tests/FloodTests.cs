using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>All that comes costs its sender: no kind of byte or frame is outside of the rate limits.</summary>
public class FloodTests
{
    private const int Seconds = 4;
    private const int Rate = 10_000;
    private readonly Peer _host = new(PeerRole.Host, new SessionOptions { TotalLimit = new RateLimit(BytesPerSecond: Rate, BytesBurst: Rate) }, seed: 2);
    private readonly Wire _wire;

    public FloodTests()
    {
        _wire = new Wire(new Peer(PeerRole.Guest, seed: 1), _host);
    }

    /// <summary>Bytes that the host takes in a time if there are always more.</summary>
    private static long Taken(Session host, ReadOnlySpan<byte> pattern, long from)
    {
        var buffer = new byte[64 << 10];
        for (var at = 0; at < buffer.Length; at += pattern.Length)
        {
            pattern[..Math.Min(pattern.Length, buffer.Length - at)].CopyTo(buffer.AsSpan(at));
        }

        long taken = 0;
        for (var now = from; now < from + Seconds * 1_000_000L && host.Fault is null; now += 1000)
        {
            var start = (int)(taken % pattern.Length);
            taken += host.Receive(buffer.AsSpan(start), now);
        }

        return taken;
    }

    private static byte[] Frame(FrameType type, uint sequence, ReadOnlySpan<byte> payload, uint stream = 0)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        FrameHeader.WriteFrame(frame, type, DataFlags.None, stream, sequence, payload);
        return frame;
    }

    private void Establish()
    {
        _wire.Connect();
        _wire.Run(1_000_000);
        Assert.True(_host.Session.IsEstablished);
    }

    // One read more than the rate is taken: what was at hand when the debt began.
    private const long MostBytes = Rate * (Seconds + 2) + (64 << 10);

    [Fact]
    public void Frames_that_were_seen_before_are_charged()
    {
        Establish();
        var taken = Taken(_host.Session, Frame(FrameType.Data, 0xFFFFFF00, new byte[1000], stream: 1 << 3 | 2), _wire.Now);
        Assert.InRange(taken, 1, MostBytes);
    }

    [Fact]
    public void Bytes_before_the_handshake_are_charged()
    {
        _host.Session.LinkUp(_wire.Now);
        Assert.InRange(Taken(_host.Session, new byte[16], _wire.Now), 1, MostBytes);
        Assert.Null(_host.Session.Fault);
    }

    [Fact]
    public void Acknowledgements_are_charged()
    {
        Establish();
        Assert.InRange(Taken(_host.Session, Frame(FrameType.Ack, 0, []), _wire.Now), 1, MostBytes);
    }

    [Fact]
    public void Heartbeats_have_their_own_rate_limit_without_any_option()
    {
        var host = new Peer(PeerRole.Host, new SessionOptions { TotalLimit = null }, seed: 2);
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        wire.Connect();
        wire.Run(1_000_000);
        var heartbeat = Frame(FrameType.Heartbeat, 0, new byte[HeartbeatCodec.Size]);
        Assert.InRange(Taken(host.Session, heartbeat, wire.Now) / heartbeat.Length, 100 * Seconds, 400 + 200 * Seconds + 1);
        Assert.Null(host.Session.Fault);
    }

    [Fact]
    public void Hellos_have_their_own_rate_limit_without_any_option()
    {
        var host = new Peer(PeerRole.Host, new SessionOptions { TotalLimit = null }, seed: 2);
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), host);
        var recorded = wire.ToHost.Record = [];
        wire.Connect();
        wire.Run();
        var hello = recorded.Take(FrameHeader.Size + Hello.Size).ToArray();
        host.Session.LinkDown(ChannelError.LinkLost, "", wire.Now);
        host.Session.LinkUp(wire.Now);
        Assert.InRange(Taken(host.Session, hello, wire.Now) / hello.Length, 100 * Seconds, 400 + 200 * Seconds + 1);
    }

    [Fact]
    public void The_default_limit_stops_a_flood_of_new_streams_and_not_a_bulk_transfer()
    {
        var limit = new SessionOptions().TotalLimit!;
        Assert.InRange(limit.StreamsPerSecond, 1000, 20_000);
        // 8 GB/s in the largest frames, with their credits and acknowledgements.
        Assert.InRange(limit.MessagesPerSecond, 2 * 8_000_000_000 / SessionOptions.LargestMaxFrame, 1_000_000);
        Assert.Equal(0, limit.BytesPerSecond);
    }
}
