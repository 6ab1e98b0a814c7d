using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Bytes of messages, and of former links, that look like the protocol's own: whole frames with right checksums.</summary>
internal static class HostileContent
{
    private static readonly byte[] s_frames = [.. HelloFrame(PeerRole.Guest, 0xBAD1), .. Frame(FrameType.Open, 8), .. HelloFrame(PeerRole.Host, 0xBAD2),
        .. Frame(FrameType.Reset, 9), .. Hello.Marker, .. Frame(FrameType.GoAway, 0), .. Frame(FrameType.Data, 10), .. Frame(FrameType.Ack, 0)];

    /// <summary>Fills with frames, beginning within them at a place that depends on the seed.</summary>
    public static void Fill(Span<byte> target, int seed)
    {
        for (var (at, from) = (0, seed * 37 % s_frames.Length); at < target.Length; from = 0)
        {
            var count = Math.Min(target.Length - at, s_frames.Length - from);
            s_frames.AsSpan(from, count).CopyTo(target[at..]);
            at += count;
        }
    }

    private static byte[] HelloFrame(PeerRole role, UInt128 epoch)
    {
        var hello = RawHello.Of(role) with
        {
            Epoch = epoch,
            Nonce = epoch + 1,
            StreamCredit = new(4096, 4096, 4096),
            SessionCredit = 1 << 20,
            MaxStreams = new(8, 8, 8),
        };
        var payload = new byte[Hello.Size];
        hello.Write(payload);
        return Frame(FrameType.Hello, 0, payload, Hello.MarkerSequence);
    }

    private static byte[] Frame(FrameType type, uint stream, byte[]? payload = null, uint sequence = 0)
    {
        payload ??= type is FrameType.Reset ? [48, 1] : type is FrameType.GoAway ? [205, 0, 1, 0] : [];
        var frame = new byte[FrameHeader.Size + payload.Length];
        FrameHeader.WriteFrame(frame, type, DataFlags.None, stream, sequence, payload);
        return frame;
    }
}
