using System.Diagnostics;
using System.Text;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Qga;

/// <summary>The line that is waited for, in a stream of a guest that may send anything.</summary>
public sealed class QgaReplyReaderTests
{
    private static List<string> Lines(QgaReplyReader reader, ReadOnlyMemory<byte> untrusted, Action again)
    {
        var lines = new List<string>();
        while (reader.TryTake(ref untrusted, out var line))
        {
            lines.Add(Encoding.ASCII.GetString(line.Span));
            again();
        }

        return lines;
    }

    [Fact]
    public void A_reader_gives_the_same_lines_however_they_are_cut()
    {
        byte[] stream = [.. "x\n{\"a\":1}"u8, 0xFF, .. "{\"b\":2}\n\n"u8, 0xFF, 0xFF, .. "c\n"u8];
        for (var size = 1; size <= stream.Length; size++)
        {
            var replies = new QgaReplyReader();
            var syncs = new QgaReplyReader();
            replies.AwaitReply(1000);
            syncs.AwaitSync();
            List<string> allReplies = [], allSyncs = [];
            for (var at = 0; at < stream.Length; at += size)
            {
                var part = stream.AsMemory(at, Math.Min(size, stream.Length - at));
                allReplies.AddRange(Lines(replies, part, () => replies.AwaitReply(1000)));
                allSyncs.AddRange(Lines(syncs, part, syncs.AwaitSync));
            }

            Assert.Equal(["x", "{\"b\":2}", "", "c"], allReplies);
            Assert.Equal(["{\"b\":2}", "c"], allSyncs);
        }
    }

    [Fact]
    public void Answers_to_a_synchronization_that_are_no_such_answers_are_not_kept()
    {
        var reader = new QgaReplyReader();
        var flood = new byte[1 << 20];
        Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("0,", flood.Length / 2))).CopyTo(flood, 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        reader.AwaitSync();
        for (var i = 0; i < 64; i++)
        {
            ReadOnlyMemory<byte> begin = new byte[] { 0xFF, (byte)'{' };
            ReadOnlyMemory<byte> rest = flood;
            ReadOnlyMemory<byte> end = new byte[] { (byte)'\n' };
            Assert.False(reader.TryTake(ref begin, out _) || reader.TryTake(ref rest, out _) || reader.TryTake(ref end, out _));
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 10);
        ReadOnlyMemory<byte> answer = (byte[])[0xFF, .. "{\"return\": 5}\n"u8];
        Assert.True(reader.TryTake(ref answer, out var line));
        Assert.Equal("{\"return\": 5}", Encoding.ASCII.GetString(line.Span));
    }

    [Fact]
    public void Bytes_that_drip_behind_a_long_line_are_looked_at_once()
    {
        var reader = new QgaReplyReader();
        reader.AwaitReply(16 << 20);
        ReadOnlyMemory<byte> most = new byte[15 << 20];
        Assert.False(reader.TryTake(ref most, out _));
        var watch = Stopwatch.StartNew();
        byte[] drop = [(byte)'x'];
        for (var i = 0; i < 200_000; i++)
        {
            ReadOnlyMemory<byte> next = drop;
            Assert.False(reader.TryTake(ref next, out _));
        }

        // Searching all of it each time takes minutes.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void A_reply_of_many_values_is_refused_before_anything_is_built_of_it()
    {
        var line = Encoding.ASCII.GetBytes("{\"return\": [" + string.Concat(Enumerable.Repeat("0,", 8 << 20)) + "0]}");
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(ChannelError.InvalidArgument, Assert.Throws<ChannelException>(() => QgaReplyReader.Parse(line, "guest-info")).Code);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 256 << 10);
    }

    [Fact]
    public void A_name_with_half_of_a_pair_is_no_member_and_throws_nothing()
    {
        var value = QgaReplyReader.Parse("{\"return\": {\"\\ud800e-name\": 1, \"text\": \"\\udfff\", \"b\": \"\\udfff\"}}"u8.ToArray(), "guest-info");
        Assert.Equal(("", null, null), (UntrustedJson.Text(value, "text"), UntrustedJson.Number(value, "b"), UntrustedJson.Bytes(value, "b")));
        Assert.Null(UntrustedJson.Member(value, "e"));
    }
}
