using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.InXen;

/// <summary>What was measured over a vchan.</summary>
/// <param name="RoundTrip">Mean of the round trips of 64 bytes, in microseconds.</param>
/// <param name="Best">The best of them.</param>
/// <param name="Send">MiB a second from the client.</param>
/// <param name="Receive">MiB a second to the client.</param>
internal sealed record VchanSpeed(double RoundTrip, double Best, double Send, double Receive)
{
    /// <summary>From the lines that the client of c/vchan-peer.c prints.</summary>
    public static VchanSpeed Parse(string lines)
    {
        var words = lines.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        double Value(string name) => double.Parse(words[Array.IndexOf(words, name) + 1], CultureInfo.InvariantCulture);
        return new VchanSpeed(Value("roundtrip"), Value("best"), Value("send"), Value("receive"));
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"round trip {RoundTrip:F0} us (best {Best:F0}), send {Send:F1} MiB/s, receive {Receive:F1} MiB/s");
}

/// <summary>The counterpart of c/vchan-peer.c over a link of ours; that file describes the requests.</summary>
internal static class VchanPeer
{
    private const int Block = 32768;
    private const int Checked = 1 << 20;
    private const int MessageSize = 64;
    private const int RequestSize = 16;

    private enum Operation : uint
    {
        Leave,
        Echo,
        Sink,
        Source,
    }

    /// <summary>Serves requests until the client leaves.</summary>
    public static async Task ServeAsync(ITransportLink link)
    {
        var request = new byte[RequestSize];
        while (true)
        {
            await ReceiveAsync(link, request);
            var size = BinaryPrimitives.ReadInt32LittleEndian(request.AsSpan(4));
            var count = BinaryPrimitives.ReadInt64LittleEndian(request.AsSpan(8));
            switch ((Operation)BinaryPrimitives.ReadUInt32LittleEndian(request))
            {
                case Operation.Echo:
                    var message = new byte[size];
                    for (long i = 0; i < count; i++)
                    {
                        await ReceiveAsync(link, message);
                        await SendAsync(link, message);
                    }

                    break;
                case Operation.Sink:
                    await ReceiveBulkAsync(link, count);
                    await SendAsync(link, request.AsMemory(8));
                    break;
                case Operation.Source:
                    await SendBulkAsync(link, count);
                    break;
                default:
                    return;
            }
        }
    }

    /// <summary>Makes requests as the C client does, and measures the same.</summary>
    public static async Task<VchanSpeed> MeasureAsync(ITransportLink link, int mebibytes, int rounds)
    {
        var message = new byte[MessageSize];
        var best = TimeSpan.MaxValue;
        var total = (long)mebibytes << 20;
        var begin = Stopwatch.GetTimestamp();
        await AskAsync(link, Operation.Echo, MessageSize, rounds);
        for (var i = 0; i < rounds; i++)
        {
            var sent = Stopwatch.GetTimestamp();
            await SendAsync(link, message);
            await ReceiveAsync(link, message);
            best = Stopwatch.GetElapsedTime(sent) is var time && time < best ? time : best;
        }

        var roundTrip = Stopwatch.GetElapsedTime(begin) / rounds;
        begin = Stopwatch.GetTimestamp();
        await AskAsync(link, Operation.Sink, Block, total);
        await SendBulkAsync(link, total);
        var taken = new byte[sizeof(long)];
        await ReceiveAsync(link, taken);
        Assert.Equal(total, BinaryPrimitives.ReadInt64LittleEndian(taken));
        var sending = Stopwatch.GetElapsedTime(begin);
        begin = Stopwatch.GetTimestamp();
        await AskAsync(link, Operation.Source, Block, total);
        await ReceiveBulkAsync(link, total);
        var receiving = Stopwatch.GetElapsedTime(begin);
        await AskAsync(link, Operation.Leave, 0, 0);
        return new VchanSpeed(roundTrip.TotalMicroseconds, best.TotalMicroseconds, mebibytes / sending.TotalSeconds, mebibytes / receiving.TotalSeconds);
    }

    private static async Task AskAsync(ITransportLink link, Operation operation, int size, long count)
    {
        var request = new byte[RequestSize];
        BinaryPrimitives.WriteUInt32LittleEndian(request, (uint)operation);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4), size);
        BinaryPrimitives.WriteInt64LittleEndian(request.AsSpan(8), count);
        await SendAsync(link, request);
    }

    private static async Task SendBulkAsync(ITransportLink link, long total)
    {
        var block = new byte[Block];
        for (long at = 0; at < total; at += Block)
        {
            var piece = block.AsMemory(0, (int)Math.Min(total - at, Block));
            if (at < Checked)
            {
                Fill(piece.Span, at);
            }

            await SendAsync(link, piece);
        }
    }

    private static async Task ReceiveBulkAsync(ITransportLink link, long total)
    {
        var (block, expected) = (new byte[Block], new byte[Block]);
        for (long at = 0; at < total; at += Block)
        {
            var piece = block.AsMemory(0, (int)Math.Min(total - at, Block));
            await ReceiveAsync(link, piece);
            if (at < Checked)
            {
                Fill(expected, at);
                Assert.True(piece.Span.SequenceEqual(expected.AsSpan(0, piece.Length)), $"wrong bytes between {at} and {at + piece.Length}");
            }
        }
    }

    private static void Fill(Span<byte> block, long at)
    {
        for (var i = 0; i < block.Length; i++)
        {
            block[i] = (byte)(((at + i) * 7) + ((at + i) >> 9));
        }
    }

    private static async ValueTask SendAsync(ITransportLink link, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await link.SendAsync(bytes)..];
        }
    }

    private static async ValueTask ReceiveAsync(ITransportLink link, Memory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = await link.ReceiveAsync(bytes);
            Assert.True(count > 0, "the other side left in the middle of a receive");
            bytes = bytes[count..];
        }
    }
}
