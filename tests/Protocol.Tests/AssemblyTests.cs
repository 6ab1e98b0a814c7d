using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The memory for messages while they are put together.</summary>
public sealed class AssemblyTests : IRpcHandler, ISessionEvents
{
    private const int Bound = 4 << 20;
    private const int MaxMessage = 1 << 20;
    private readonly List<RpcCall> _calls = [];

    private static ReadOnlySpan<byte> Unary => [0, 1, 0, 0, 0, 0, 0, 0, (byte)'u'];

    private static ReadOnlySpan<byte> Streaming => [1, 1, 0, 0, 0, 0, 0, 0, (byte)'s'];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Messages_that_never_end_are_held_to_the_windows_and_the_bound(bool isStream)
    {
        const int Streams = 128;
        var options = new SessionOptions { TotalLimit = null };
        ulong nonce = 0;
        var host = new RpcPeer(PeerRole.Host, options, MaxMessage, Bound, this, this, () => ++nonce * 0x9E3779B97F4A7C15);
        var guest = new RawGuest(host.Session);
        guest.Connect();
        Span<uint> ids = stackalloc uint[Streams];
        var sent = new Dictionary<uint, int>();
        for (var i = 0; i < Streams; i++)
        {
            ids[i] = (uint)(i + 1) << 3 | (uint)StreamClass.Rpc << 1;
            guest.Send(FrameType.Open, ids[i], isStream ? Streaming : Unary);
            if (isStream)
            {
                // The request; what follows has a reader that waits, but for every second one.
                guest.Send(FrameType.Data, ids[i], [1]);
                if (i % 2 == 0)
                {
                    host.AwaitMessage(_calls[i]);
                }
            }

            sent[ids[i]] = 0;
        }

        var piece = new byte[16 << 10];
        for (var isMoving = true; isMoving;)
        {
            isMoving = false;
            foreach (var id in ids)
            {
                var cost = FrameHeader.Size + piece.Length;
                // The request was 25 bytes.
                var used = sent[id] / piece.Length * cost + (isStream ? 25 : 0);
                var limit = Math.Max(options.StreamWindow.Rpc, guest.Limits.GetValueOrDefault(id));
                if (used + cost <= limit && sent[id] + piece.Length < MaxMessage)
                {
                    guest.Send(FrameType.Data, id, piece, DataFlags.More);
                    sent[id] += piece.Length;
                    isMoving = true;
                }
            }

            guest.ReadData();
            guest.Acknowledge();
        }

        Assert.Null(host.Session.Fault);
        // Some come far, all of them within the sum.
        Assert.InRange(sent.Values.Sum(), 2 * (MaxMessage - piece.Length), Bound + Streams * options.StreamWindow.Rpc);
        Assert.InRange(sent.Values.Sum(bytes => Math.Max(0, bytes - options.StreamWindow.Rpc)), 2 * (MaxMessage - piece.Length - options.StreamWindow.Rpc), Bound);
    }

    [Fact]
    public void Twenty_times_the_bound_in_honest_messages_at_once_all_arrive()
    {
        var guest = new CallPeer(PeerRole.Guest, seed: 1) { AnswerSize = MaxMessage };
        var host = new CallPeer(PeerRole.Host, seed: 2);
        var wire = new Wire<CallPeer>(guest, host);
        wire.Connect();
        wire.Run();
        var attempts = 0;
        foreach (var (streamClass, count) in new[] { (StreamClass.Bulk, 8), (StreamClass.Rpc, 64), (StreamClass.Control, 8) })
        {
            for (var i = 0; i < count; i++)
            {
                Assert.True(host.Call(++attempts, MaxMessage, deadline: 0, wire.Now, streamClass));
            }
        }

        wire.Run(60_000_000);
        Assert.Equal(attempts, host.Ended.Count);
        Assert.All(host.Ended.Values, static status => Assert.Equal(ChannelError.None, status.Code));
    }

    [Fact]
    public void Messages_that_are_given_up_leave_their_places_to_others()
    {
        var guest = new CallPeer(PeerRole.Guest, seed: 1);
        var host = new CallPeer(PeerRole.Host, seed: 2);
        var wire = new Wire<CallPeer>(guest, host);
        wire.Connect();
        wire.Run();
        for (var round = 0; round < 20; round++)
        {
            // Deadlines pass in the midst of the requests.
            wire.ToGuest.MaxChunk = 64 << 10;
            for (var i = 0; i < 8; i++)
            {
                Assert.True(host.Call(100 * round + i + 1, MaxMessage, wire.Now + 1000, wire.Now));
            }

            for (var i = 0; i < 20 + 4 * round; i++)
            {
                wire.Step();
            }

            wire.Now += 2000;
            host.Tick(wire.Now);
            wire.Run(1_000_000);
        }

        wire.ToGuest.MaxChunk = int.MaxValue;
        var given = host.Ended.Count(static e => e.Value.Code == ChannelError.DeadlineExceeded);
        Assert.InRange(given, 100, 160);
        Assert.True(host.Call(10_000, MaxMessage, deadline: 0, wire.Now));
        wire.Run(10_000_000);
        Assert.Equal(ChannelError.None, host.Ended[10_000].Code);
    }

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
    {
        _calls.Add(call);
        return true;
    }

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
    }

    void IRpcHandler.OnReadable(RpcCall call)
    {
    }

    void IRpcHandler.OnWritable(RpcCall call)
    {
    }

    void IRpcHandler.OnFailed(RpcCall call)
    {
    }

    void ISessionEvents.OnEstablished(bool resumed)
    {
    }

    void ISessionEvents.OnLinkLost(ChannelError error, string text)
    {
    }

    void ISessionEvents.OnSessionLost(ChannelError error, string text)
    {
    }

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
    }
}
