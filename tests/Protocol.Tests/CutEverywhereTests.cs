using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The same session of mixed streams, cut once at each byte offset of either direction.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class CutEverywhereTests
{
    private const int Messages = 4;

    [Fact]
    public void Every_message_arrives_once_and_in_order_wherever_the_guest_to_host_direction_is_cut() => CutAtEveryByte(toHost: true);

    [Fact]
    public void Every_message_arrives_once_and_in_order_wherever_the_host_to_guest_direction_is_cut() => CutAtEveryByte(toHost: false);

    [Fact]
    public void A_guest_that_restarts_at_any_byte_fails_each_call_with_the_right_class()
    {
        var total = RunWhole(out _);
        for (long cut = 1; cut < total; cut += 7)
        {
            var script = new Script();
            script.Wire.ToGuest.CutAt = cut;
            script.Start();
            // A new guest process: it knows nothing of the session.
            var restarted = new Wire(new Peer(PeerRole.Guest, seed: 9), script.Host) { Now = script.Wire.Now };
            restarted.Connect();
            restarted.Run(1_000_000);
            Assert.True(restarted.Host.Session.IsEstablished, $"cut at {cut}: no new session");
            foreach (var (stream, _, mayHaveRun) in script.Host.Resets)
            {
                var arrived = script.Guest.Opened.Any(s => s.Id == stream);
                Assert.True(mayHaveRun || !arrived, $"cut at {cut}: stream {stream} reached the guest and is said not to have run");
            }
        }
    }

    private static long RunWhole(out long toHost)
    {
        var script = new Script();
        script.Start();
        script.Check("whole");
        toHost = script.Wire.ToHost.Total;
        return script.Wire.ToGuest.Total;
    }

    private static void CutAtEveryByte(bool toHost)
    {
        var toGuestTotal = RunWhole(out var toHostTotal);
        var total = toHost ? toHostTotal : toGuestTotal;
        Assert.True(total > 3000);
        for (long cut = 1; cut <= total; cut++)
        {
            var script = new Script();
            (toHost ? script.Wire.ToHost : script.Wire.ToGuest).CutAt = cut;
            script.Start();
            while (!script.Wire.IsUp)
            {
                script.Wire.Connect();
                script.Wire.Run(400_000);
            }

            script.Check($"cut at byte {cut} of {total}, {(toHost ? "to host" : "to guest")}");
        }
    }

    /// <summary>Control, rpc and bulk streams in both directions, small and multi-frame messages, half closes, one reset.</summary>
    private sealed class Script
    {
        public Script()
        {
            var small = new SessionOptions { MaxFrame = 1024, StreamWindow = new(4096, 4096, 4096), AckBytes = 512 };
            Guest = new Peer(PeerRole.Guest, small, seed: 1);
            Host = new Peer(PeerRole.Host, small, seed: 2);
            Wire = new Wire(Guest, Host);
        }

        public Peer Guest { get; }
        public Peer Host { get; }
        public Wire Wire { get; }

        public void Start()
        {
            Queue(Guest, "g-control", StreamClass.Control, 10);
            Queue(Guest, "g-bulk", StreamClass.Bulk, 700);
            Queue(Host, "h-rpc", StreamClass.Rpc, 100);
            Queue(Host, "h-bulk", StreamClass.Bulk, 1500);
            Wire.Connect();
            Wire.Run(400_000);
        }

        public void Check(string where)
        {
            CheckStream(Host, "g-control", 10, where);
            CheckStream(Host, "g-bulk", 700, where);
            CheckStream(Guest, "h-rpc", 100, where);
            CheckStream(Guest, "h-bulk", 1500, where);
        }

        private static void Queue(Peer peer, string name, StreamClass streamClass, int size)
        {
            var next = 0;
            void WriteMore(SessionStream stream)
            {
                while ((string?)stream.State == name && next < Messages && stream.CanWrite)
                {
                    next++;
                    peer.Session.Write(stream, Peer.Number(next, size), next == Messages ? DataFlags.Fin : DataFlags.None);
                }
            }

            peer.WriteDone += WriteMore;
            WriteMore(peer.Open(name, streamClass));
        }

        private static void CheckStream(Peer receiver, string name, int size, string where)
        {
            Assert.True(receiver.Messages.TryGetValue(name, out var messages), $"{where}: nothing came on {name}; {string.Join(", ", receiver.Events)}");
            Assert.True(Messages == messages!.Count, $"{where}: {messages.Count} messages on {name}");
            for (var i = 0; i < Messages; i++)
            {
                Assert.True(messages[i].AsSpan().SequenceEqual(Peer.Number(i + 1, size)), $"{where}: message {i + 1} of {name} differs");
            }

            Assert.True(receiver.Finished.Contains(name), $"{where}: {name} has no end");
        }
    }
}
