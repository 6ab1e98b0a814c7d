using System.Buffers.Binary;
using System.Net.Sockets;
using ChannelSdk.Channels;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;

namespace ChannelSdk.Soak.Tests;

/// <summary>Faults of a guest or its monitor at each layer, besides those of <see cref="Attacks"/>: the link's bytes, frames, the session, answers.</summary>
internal static class GuestFaults
{
    private const int SigStop = 19;

    internal static IReadOnlyList<Attack> All { get; } =
    [
        new("monitor-stopped", static (folder, met) =>
        {
            using var guest = new RawGuest(Path.Combine(folder, "guest.sock"));
            guest.Establish();
            met();
            _ = ProcessCalls.Kill(Environment.ProcessId, SigStop);
        }),
        new("monitor-that-restarts", static (folder, met) =>
        {
            using var guest = new RawGuest(Path.Combine(folder, "guest.sock"));
            while (true)
            {
                guest.Establish();
                met();
            }
        }),
        new("bytes-that-change", Attacks.OnLink(static (guest, n) =>
        {
            // Whole frames, of which one in some hundred has a bit that is another one.
            var frame = new byte[FrameHeader.Size + 64];
            FrameHeader.WriteFrame(frame, FrameType.Data, DataFlags.None, Attacks.Stream(0, StreamClass.Rpc), guest.Sequence++, frame.AsSpan(0, 64));
            if (n % 300 == 299)
            {
                frame[Random.Shared.Next(frame.Length)] ^= (byte)(1 << Random.Shared.Next(8));
            }

            guest.SendBytes(frame);
        }, isReading: true)),
        new("frames-that-stop-short", Attacks.OnLink(static (guest, n) =>
        {
            var frame = new byte[FrameHeader.Size + 60_000];
            FrameHeader.WriteFrame(frame, FrameType.Data, DataFlags.None, Attacks.Stream(0, StreamClass.Rpc), guest.Sequence, frame.AsSpan(0, 60_000));
            guest.SendBytes(n == 0 ? frame.AsSpan(0, 30_000) : frame.AsSpan(30_000 + (int)n, 1));
            Thread.Sleep(1);
        })),
        new("sequence-that-jumps", Attacks.OnLink(static (guest, _) => guest.Send(FrameType.Open, Attacks.Stream(0, StreamClass.Rpc), sequence: 1000))),
        new("credit-without-end", Attacks.OnLink(static (guest, n) => guest.Send(FrameType.Credit, n % 2 == 0 ? 0 : Attacks.Stream(n % 1000, StreamClass.Bulk), Number(long.MaxValue - n)))),
        new("credit-that-shrinks", Attacks.OnLink(static (guest, n) => guest.Send(FrameType.Credit, 0, Number((1L << 40) - n)))),
        new("end-of-one-direction", static (folder, met) =>
        {
            using var guest = new RawGuest(Path.Combine(folder, "guest.sock")) { IsReading = true };
            while (true)
            {
                guest.Establish();
                guest.CompleteSend();
                met();
                Thread.Sleep(5);
            }
        }),
        new("answers-of-the-largest", static (folder, met) =>
        {
            // Its own field is there, and much that the caller does not know.
            var answer = new PingReply { Payload = ByteString.CopyFrom(new byte[(1 << 20) - 100]) };
            var services = new ServiceRegistry();
            services.Unary(InfoMethods.Ping, (_, _) => ValueTask.FromResult(answer));
            var guest = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{folder}/guest.sock"), services);
            guest.SetState(StateWord.Ready);
            guest.Start();
            guest.WaitReadyAsync().AsTask().Wait();
            met();
            Thread.Sleep(Timeout.Infinite);
        }),
    ];

    private static byte[] Number(long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
