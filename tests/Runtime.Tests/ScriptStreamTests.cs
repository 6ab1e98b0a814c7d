using System.Security.Cryptography;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Streams between tools of the two halves.</summary>
public class ScriptStreamTests
{
    private const int Large = 3_000_001;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Streams_pass_as_they_are_one_after_the_other(bool isToRight)
    {
        await using var streams = new ScriptStreams();
        var (from, to) = isToRight ? (streams.Left, streams.Right) : (streams.Right, streams.Left);
        foreach (var length in (int[])[Large, 0, 1])
        {
            var content = RandomNumberGenerator.GetBytes(length);
            using var output = new MemoryStream();
            var sending = ScriptStreams.RunAsync(from, new MemoryStream(content), Stream.Null, ScriptPair.Soon, "send", "--stream");
            Assert.Equal((0, ""), await ScriptStreams.RunAsync(to, Stream.Null, output, ScriptPair.Soon, "receive", "--stream"));
            Assert.Equal((0, ""), await sending);
            Assert.Equal(content, output.ToArray());
        }
    }

    [Fact]
    public async Task Streams_of_other_names_and_directions_run_at_the_same_time()
    {
        await using var streams = new ScriptStreams();
        var outputs = Enumerable.Range(0, 3).Select(static _ => new MemoryStream()).ToArray();
        var runs = await Task.WhenAll(
            ScriptStreams.RunAsync(streams.Right, new MemoryStream([1]), Stream.Null, ScriptPair.Soon, "send", "--stream", "a"),
            ScriptStreams.RunAsync(streams.Left, new MemoryStream([2]), Stream.Null, ScriptPair.Soon, "send", "--stream", "a"),
            ScriptStreams.RunAsync(streams.Left, new MemoryStream([3]), Stream.Null, ScriptPair.Soon, "send", "--stream", "b"),
            ScriptStreams.RunAsync(streams.Left, Stream.Null, outputs[0], ScriptPair.Soon, "receive", "--stream", "a"),
            ScriptStreams.RunAsync(streams.Right, Stream.Null, outputs[1], ScriptPair.Soon, "receive", "--stream", "a"),
            ScriptStreams.RunAsync(streams.Right, Stream.Null, outputs[2], ScriptPair.Soon, "receive", "--stream", "b"));
        Assert.All(runs, run => Assert.Equal((0, ""), run));
        Assert.Equal([1, 2, 3], outputs.Select(o => (int)o.ToArray().Single()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_writer_that_fails_before_its_end_is_no_end_for_the_reader(bool isToRight)
    {
        await using var streams = new ScriptStreams();
        var (from, to) = isToRight ? (streams.Left, streams.Right) : (streams.Right, streams.Left);
        using var input = new Gate { Failure = new IOException("unreadable") };
        using var output = new Counting();
        var sending = ScriptStreams.RunAsync(from, input, Stream.Null, ScriptPair.Soon, "send", "--stream");
        var receiving = ScriptStreams.RunAsync(to, Stream.Null, output, ScriptPair.Soon, "receive", "--stream");
        await output.Begun.WaitAsync(ScriptPair.Soon);
        input.Close();
        var (code, complaint) = await receiving;
        Assert.Equal(5, code);
        Assert.Contains("the stream's writer has ended before the end of the data", complaint, StringComparison.Ordinal);
        Assert.Equal((5, "unreadable"), await sending);
    }

    [Fact]
    public async Task A_reader_that_cannot_write_ends_the_writer_even_while_that_has_nothing_to_say()
    {
        await using var streams = new ScriptStreams();
        using var input = new Gate();
        var sending = ScriptStreams.RunAsync(streams.Left, input, Stream.Null, ScriptPair.Soon, "send", "--stream");
        var (code, complaint) = await ScriptStreams.RunAsync(streams.Right, Stream.Null, new Full(), ScriptPair.Soon, "receive", "--stream");
        Assert.Equal((5, "no space"), (code, complaint));
        input.Close();
        Assert.Equal(5, (await sending).Code);
    }

    [Fact]
    public async Task A_reader_that_waits_stops_the_writer()
    {
        await using var streams = new ScriptStreams();
        using var output = new Gate();
        using var input = new Counting();
        var sending = ScriptStreams.RunAsync(streams.Left, input, Stream.Null, ScriptPair.Soon, "send", "--stream");
        var receiving = ScriptStreams.RunAsync(streams.Right, Stream.Null, output, ScriptPair.Soon, "receive", "--stream");
        long read = -1;
        while (read != (read = input.Count) || read == 0)
        {
            await Task.Delay(100, ScriptPair.Soon);
        }

        // The credit and the buffers of two channels.
        Assert.InRange(read, 1, 8 << 20);
        input.End = true;
        output.Close();
        Assert.Equal(0, (await receiving).Code);
        Assert.Equal(0, (await sending).Code);
    }

    [Theory]
    [InlineData("send")]
    [InlineData("receive")]
    public async Task The_other_halfs_end_ends_a_stream_that_waits_for_it(string verb)
    {
        await using var streams = new ScriptStreams();
        var waiting = ScriptStreams.RunAsync(streams.Left, Stream.Null, Stream.Null, ScriptPair.Soon, verb, "--stream");
        streams.Pair.Left.OnPeer(InstallMessage.Ended, [.. new ScriptEnded { Code = 3 }.ToByteArray()]);
        Assert.Equal((6, "the other half has ended with code 3"), await waiting);
    }

    [Fact]
    public async Task A_second_tool_of_the_same_name_and_direction_is_refused_until_the_first_has_gone()
    {
        var pair = new ScriptPair();
        using var first = new CancellationTokenSource();
        var waiting = pair.Left.OfferAsync(new ScriptPipeEnd("a", true, null!), null, first.Token).AsTask();
        var e = await Assert.ThrowsAsync<ChannelException>(async () => await pair.Left.OfferAsync(new ScriptPipeEnd("a", true, null!), null, ScriptPair.Soon));
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var end = new ScriptPipeEnd("a", true, null!);
        var next = pair.Left.OfferAsync(end, null, ScriptPair.Soon).AsTask();
        Assert.Same(end, await pair.Left.TakeAsync("a", true, ScriptPair.Soon));
        await next;
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await pair.Left.TakeAsync("a b", true, ScriptPair.Soon))).Code);
    }

    /// <summary>A first byte, and then nothing until it is closed, which is its end or a failure; or takes nothing before.</summary>
    private sealed class Gate : MemoryStream
    {
        private readonly ManualResetEventSlim _closed = new();
        private bool _isFirst = true;

        public IOException? Failure { get; init; }

        public override void Close() => _closed.Set();

        public override int Read(Span<byte> buffer)
        {
            if (_isFirst)
            {
                _isFirst = false;
                return 1;
            }

            _closed.Wait(ScriptPair.Soon);
            return Failure is null ? 0 : throw Failure;
        }

        public override void Write(ReadOnlySpan<byte> buffer) => _closed.Wait(ScriptPair.Soon);
    }

    /// <summary>Any number of bytes, both ways, which are counted.</summary>
    private sealed class Counting : MemoryStream
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _count;

        public long Count => Interlocked.Read(ref _count);

        public Task Begun => _begun.Task;

        public volatile bool End;

        public override int Read(Span<byte> buffer)
        {
            Interlocked.Add(ref _count, buffer.Length);
            return End ? 0 : buffer.Length;
        }

        public override void Write(ReadOnlySpan<byte> buffer) => _begun.TrySetResult();
    }

    private sealed class Full : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("no space");
    }
}
