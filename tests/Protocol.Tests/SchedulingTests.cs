using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Limits;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Priority, fairness, credit and rate limits, in virtual time.</summary>
public class SchedulingTests
{
    private static Wire Connected(SessionOptions? guest = null, SessionOptions? host = null)
    {
        var wire = new Wire(new Peer(PeerRole.Guest, guest, seed: 1), new Peer(PeerRole.Host, host, seed: 2));
        wire.Connect();
        wire.Run();
        return wire;
    }

    private static void Flood(Peer peer, string name, StreamClass streamClass, int size, int count = int.MaxValue)
    {
        var stream = peer.Open(name, streamClass);
        void More(SessionStream s)
        {
            while (s == stream && count > 0 && s.CanWrite)
            {
                count--;
                peer.Session.Write(s, Peer.Number(count, size), DataFlags.None);
            }
        }

        peer.WriteDone += More;
        More(stream);
    }

    /// <summary>Moves only the guest's bytes to the host, so many, and returns how many came before the named stream's message.</summary>
    private static long BytesUntil(Wire wire, string name)
    {
        var start = wire.ToHost.Total;
        for (var i = 0; i < 10_000 && !wire.Host.Messages.ContainsKey(name); i++)
        {
            wire.ToHost.Move(wire.Now);
            wire.ToGuest.Move(wire.Now);
        }

        return wire.ToHost.Total - start;
    }

    [Theory]
    [InlineData(StreamClass.Control, 200_000, 4096)]
    [InlineData(StreamClass.Rpc, 200_000, 4096)]
    [InlineData(StreamClass.Control, 900_000, 4096)]
    [InlineData(StreamClass.Rpc, 900_000, 4096)]
    [InlineData(StreamClass.Control, 900_000, 65_536)]
    [InlineData(StreamClass.Rpc, 900_000, 65_536)]
    public void A_message_of_a_higher_class_waits_for_no_more_than_one_output_batch_of_bulk(StreamClass urgent, int bulkMessage, int maxFrame)
    {
        var wire = Connected(host: new SessionOptions { MaxFrame = maxFrame });
        Flood(wire.Guest, "copy", StreamClass.Bulk, bulkMessage);
        // A slow link: 4 KiB at a time, and the host's transport takes no more than 8 KiB ahead.
        wire.ToHost.MaxChunk = 4096;
        for (var i = 0; i < 100; i++)
        {
            wire.ToHost.Move(wire.Now);
            wire.ToGuest.Move(wire.Now);
        }

        wire.Guest.Session.Write(wire.Guest.Open("urgent", urgent), Peer.Number(1), DataFlags.Fin);
        var waited = BytesUntil(wire, "urgent");
        // One batch, and the frame that was appended just below its bound.
        Assert.InRange(waited, 1, (64 << 10) + maxFrame + FrameHeader.Size + 8192);
    }

    [Fact]
    public void Streams_of_one_class_share_the_link_evenly_with_messages_of_any_size()
    {
        var wire = Connected();
        Flood(wire.Guest, "large", StreamClass.Bulk, 60_000);
        Flood(wire.Guest, "small", StreamClass.Bulk, 500);
        wire.ToHost.MaxChunk = 16384;
        for (var i = 0; i < 3000; i++)
        {
            wire.ToHost.Move(wire.Now);
            wire.ToGuest.Move(wire.Now);
        }

        var large = wire.Host.Messages["large"].Sum(m => (long)m.Length);
        var small = wire.Host.Messages["small"].Sum(m => (long)m.Length);
        Assert.InRange((double)small / large, 0.8, 1.25);
    }

    [Fact]
    public void A_slow_reader_stops_its_own_stream_only()
    {
        var wire = Connected();
        wire.Host.ConsumeAtOnce = false;
        Flood(wire.Guest, "unread", StreamClass.Bulk, 100_000);
        wire.Run(1_000_000);
        Assert.InRange(wire.Host.UnconsumedBytes, 500_000, 1 << 20);
        var before = wire.Host.UnconsumedBytes;

        wire.Host.ConsumeAtOnce = true;
        Flood(wire.Guest, "read", StreamClass.Bulk, 10_000, count: 500);
        wire.Run(1_000_000);
        Assert.Equal(500, wire.Host.Messages["read"].Count);
        Assert.Equal(before, wire.Host.UnconsumedBytes);
    }

    [Fact]
    public void A_peer_that_never_reads_costs_its_sender_a_bounded_replay_log()
    {
        var wire = Connected();
        wire.ToHost.Stalled = true;
        Flood(wire.Guest, "bulk", StreamClass.Bulk, 60_000);
        Flood(wire.Guest, "rpc", StreamClass.Rpc, 60_000);
        wire.Run(5_000_000);
        Assert.InRange(wire.Guest.Session.HeldBytes, 1, 1 << 20);
    }

    [Fact]
    public void A_flooding_peer_is_held_to_its_byte_rate_by_withheld_credit()
    {
        var limit = new RateLimit(BytesPerSecond: 1 << 20, BytesBurst: 64 << 10);
        var wire = Connected(host: new SessionOptions { BulkLimit = limit, StreamWindow = new(16 << 10, 64 << 10, 256 << 10) });
        Flood(wire.Guest, "flood", StreamClass.Bulk, 10_000);
        var received = Received(wire, "flood", 10_000_000);
        Assert.InRange(received, 10 * (1 << 20) * 0.95, 10 * (1 << 20) * 1.05 + (320 << 10));
        Assert.InRange(wire.ToHost.InFlight, 0, 1024);
    }

    [Fact]
    public void A_flood_on_one_class_does_not_slow_another()
    {
        var limit = new RateLimit(BytesPerSecond: 100_000, BytesBurst: 10_000);
        var wire = Connected(host: new SessionOptions { BulkLimit = limit });
        Flood(wire.Guest, "flood", StreamClass.Bulk, 10_000);
        wire.Run(1_000_000);
        Flood(wire.Guest, "calls", StreamClass.Rpc, 100, count: 1000);
        wire.Run(1000);
        Assert.Equal(1000, wire.Host.Messages["calls"].Count);
    }

    [Fact]
    public void A_peer_that_floods_with_tiny_messages_is_not_read_from_until_its_debt_is_paid()
    {
        var wire = Connected(host: new SessionOptions { TotalLimit = new RateLimit(MessagesPerSecond: 1000, MessagesBurst: 100) });
        Flood(wire.Guest, "flood", StreamClass.Rpc, 4);
        wire.Run(10_000_000);
        // What was in one read when the bucket ran dry is still taken: at most what the transport and the window held.
        Assert.InRange(wire.Host.Messages["flood"].Count, 9_000, 10_000 + 3_000);
        Assert.True(wire.Host.Session.IsEstablished, string.Join(", ", wire.Host.Events));
    }

    [Fact]
    public void A_token_bucket_loses_nothing_to_rounding()
    {
        var bucket = new TokenBucket(7, 10, 0);
        bucket.Charge(10, 0);
        for (long now = 0; now <= 1_000_000; now += 13)
        {
            _ = bucket.ReadyAt(now);
        }

        bucket.Charge(7, 1_000_000);
        Assert.Equal(1_000_000, bucket.ReadyAt(1_000_000));
        bucket.Charge(1, 1_000_000);
        Assert.InRange(bucket.ReadyAt(1_000_000), 1_000_001, 1_142_860);
    }

    [Fact]
    public void Heartbeats_say_what_the_peer_does_and_measure_the_round_trip()
    {
        var wire = Connected();
        var until = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000);
        wire.Guest.Session.SetHeartbeat(StateWord.Frozen, until, 7, wire.Now);
        wire.Run(3_000_000);
        Assert.Equal(StateWord.Frozen, wire.Host.LastHeartbeat.State);
        Assert.Equal(until, wire.Host.LastHeartbeat.Until);
        Assert.Equal(7, wire.Host.LastHeartbeat.Detail);
        Assert.NotNull(wire.Host.LastHeartbeat.RoundTrip);
    }

    [Fact]
    public void A_silent_peer_is_given_up_after_the_liveness_time()
    {
        var wire = Connected();
        wire.ToHost.Stalled = true;
        Assert.True(wire.Run(20_000_000));
        Assert.Contains("link lost: LinkLost", wire.Host.Events);
        Assert.InRange(wire.Now, 10_000_000, 12_500_000);
    }

    [Fact]
    public void A_side_whose_send_is_under_way_waits_for_nothing_but_the_peers_silence()
    {
        var wire = Connected();
        var end = wire.Now;
        Flood(wire.Guest, "flood", StreamClass.Bulk, 10_000, count: 3);
        Assert.NotEqual(0, wire.Guest.Session.GetOutput(wire.Now).Length);
        // The peer reads nothing. Heartbeats, acknowledgements and credit are due soon; the send is first.
        wire.Guest.Tick(wire.Now + 5_000_000);
        Assert.InRange(wire.Guest.NextDeadline, end + 9_000_000, end + 10_000_000);
    }

    [Fact]
    public void An_idle_session_exchanges_heartbeats_only()
    {
        var wire = Connected();
        wire.Run(1_000_000);
        var before = wire.ToHost.Total;
        wire.Run(60_000_000);
        Assert.InRange(wire.ToHost.Total - before, 59 * 56, 61 * 56);
    }

    private static double Received(Wire wire, string name, long microseconds)
    {
        wire.Run(microseconds);
        return wire.Host.Messages[name].Sum(m => (long)m.Length + FrameHeader.Size);
    }
}
