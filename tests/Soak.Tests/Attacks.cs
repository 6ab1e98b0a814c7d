using System.Net.Sockets;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Tests.Hostile;

namespace ChannelSdk.Soak.Tests;

/// <summary>All attacks, in the order in which they are tried.</summary>
internal static class Attacks
{
    internal static IReadOnlyList<Attack> All { get; } =
    [
        new("opens-without-ack", OnLink((guest, n) => guest.Send(FrameType.Open, Stream(n, StreamClass.Bulk)))),
        new("control-opens-without-ack", OnLink((guest, n) => guest.Send(FrameType.Open, Stream(n, StreamClass.Control)))),
        new("calls-of-no-method", OnLink(static (guest, n) => Call(guest, Stream(n, StreamClass.Rpc), "no.Such"), isReading: true)),
        new("rapid-resets", OnLink(static (guest, n) =>
        {
            Call(guest, Stream(n, StreamClass.Rpc), "metadata.Relay");
            guest.Send(FrameType.Reset, Stream(n, StreamClass.Rpc), [0x30, 1]);
        }, isReading: true)),
        new("messages-without-an-end", OnLink(static (guest, n) =>
        {
            if (n < 128)
            {
                guest.Send(FrameType.Open, Stream(n, StreamClass.Rpc), Header("metadata.Relay"));
            }

            guest.Send(FrameType.Data, Stream(n % 128, StreamClass.Rpc), new byte[400], DataFlags.More);
        }, isReading: true)),
        new("heartbeats", OnLink(static (guest, n) => guest.Send(FrameType.Heartbeat, 0, HeartbeatOf(n)))),
        new("goodbyes", OnLink(static (guest, _) => guest.Send(FrameType.GoAway, 0, [1, 0, 0, 0]))),
        new("hellos", OnLink(static (guest, _) => guest.SendFreshHello())),
        new("acks", OnLink(static (guest, _) => guest.Send(FrameType.Ack))),
        new("frames-of-before", OnLink(static (guest, _) => guest.Send(FrameType.Data, Stream(0, StreamClass.Rpc), new byte[60000], sequence: 0xF0000000))),
        new("rubbish-before-a-handshake", Rubbish),
        new("silent-connections", Silence),
        new("valid-frames-at-random", OnLink(RandomFrame, isReading: true)),
        new("qemu-ga-drip", (folder, met) => HostileJsonPeer.Drip(Path.Combine(folder, "qga.sock"), met)),
        new("qemu-ga-large-replies", (folder, met) => HostileJsonPeer.LargeReplies(Path.Combine(folder, "qga.sock"), met)),
        new("qmp-without-a-line-end", (folder, met) => HostileJsonPeer.Drip(Path.Combine(folder, "qmp.sock"), met)),
        new("qmp-large-replies", (folder, met) => HostileJsonPeer.LargeReplies(Path.Combine(folder, "qmp.sock"), met)),
        new("full-call-descriptor", (folder, met) => Again(() => new FullCallMonitor(Path.Combine(folder, "vsock.sock")), met)),
        new("lingering-descriptors", (folder, met) => Again(() => new LingeringMonitor(Path.Combine(folder, "vsock.sock")), met)),
        new("unprivileged-ports", (folder, met) => Again(() => new FullCallMonitor(Path.Combine(folder, "reserved.sock")), met)),
        new("long-chains", (folder, met) => Again(() => new LongChainGuest(Path.Combine(folder, "vsock.sock")), met)),
        new("blocking-connections", (folder, met) => Again(() => new BlockingHandOver(Path.Combine(folder, "usernet.sock")), met)),
        new("lingering-files", (folder, met) => Again(() => new LingeringSender(Path.Combine(folder, "usernet.sock")), met)),
    ];

    internal static uint Stream(long number, StreamClass streamClass) => (uint)((number % 0x1FFFFFFF + 1) << 3 | (long)streamClass << 1);

    /// <summary>Rounds on an established link, one link after the other.</summary>
    internal static Action<string, Action> OnLink(Action<RawGuest, long> round, bool isReading = false) => (folder, met) =>
    {
        using var guest = new RawGuest(Path.Combine(folder, "guest.sock")) { IsReading = isReading };
        while (true)
        {
            guest.Establish();
            met();
            try
            {
                for (long n = 0; ; n++)
                {
                    round(guest, n);
                }
            }
            catch (SocketException)
            {
                // The host has ended this link; the next one is a new session.
            }
        }
    };

    private static byte[] Header(string method) => [0, (byte)method.Length, 0, 0, 0, 0, 0, 0, .. System.Text.Encoding.ASCII.GetBytes(method)];

    private static void Call(RawGuest guest, uint stream, string method)
    {
        guest.Send(FrameType.Open, stream, Header(method));
        guest.Send(FrameType.Data, stream, default, DataFlags.Fin);
    }

    /// <summary>A heartbeat whose detail differs from the last one's, so that it is news each time.</summary>
    private static byte[] HeartbeatOf(long n)
    {
        var payload = new byte[32];
        (payload[0], payload[2], payload[3]) = (6, (byte)n, (byte)(n >> 8));
        return payload;
    }

    private static void RandomFrame(RawGuest guest, long n)
    {
        var random = Random.Shared;
        FrameType[] types = [FrameType.Open, FrameType.Data, FrameType.Data, FrameType.Data, FrameType.Reset, FrameType.Heartbeat, FrameType.Credit];
        var type = types[random.Next(types.Length)];
        var stream = Stream(random.Next(0, (int)Math.Min(n + 1, 1000)), (StreamClass)random.Next(3));
        var payload = new byte[type switch { FrameType.Heartbeat => 32, FrameType.Credit => 8, FrameType.Reset => 2, FrameType.Open => 0, _ => random.Next(400) }];
        if (type is FrameType.Data or FrameType.Reset)
        {
            random.NextBytes(payload);
        }

        guest.Send(type, type == FrameType.Heartbeat ? 0 : stream, payload, type == FrameType.Data && payload.Length > 0 && random.Next(3) == 0 ? DataFlags.More : DataFlags.None);
    }

    private static void Rubbish(string folder, Action met)
    {
        using var guest = new RawGuest(Path.Combine(folder, "guest.sock"));
        var bytes = new byte[64 << 10];
        while (true)
        {
            guest.Accept();
            met();
            try
            {
                while (true)
                {
                    guest.SendBytes(bytes);
                }
            }
            catch (SocketException)
            {
                // The host has had enough; it dials again.
            }
        }
    }

    private static void Silence(string folder, Action met)
    {
        using var guest = new RawGuest(Path.Combine(folder, "guest.sock"));
        while (true)
        {
            guest.Accept();
            met();
            Thread.Sleep(Random.Shared.Next(200));
        }
    }

    /// <summary>One peer after the other, as one stands only until the host has ended it.</summary>
    private static void Again(Func<IHostilePeer> make, Action met)
    {
        while (true)
        {
            try
            {
                using var peer = make();
                for (var i = 0; i < 20; i++)
                {
                    peer.Attack();
                    met();
                    Thread.Sleep(20);
                }
            }
            catch (Exception e) when (e is SocketException or Xunit.Sdk.XunitException or IOException)
            {
                Thread.Sleep(20);
            }
        }
    }
}
