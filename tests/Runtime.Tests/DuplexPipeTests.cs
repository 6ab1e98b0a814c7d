using System.Buffers;
using System.IO.Pipelines;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A stream of the channel as pipes.</summary>
public class DuplexPipeTests : ChannelTests
{
    private static readonly StreamMethod<Empty> s_missing = new("test.NoSuchStream", StreamClass.Bulk);

    [Fact]
    public async Task Bytes_go_both_ways_and_each_direction_ends_by_itself()
    {
        await using var pair = NewPair();
        var pipe = await OpenAsync(pair, ChannelPair.EchoStream);
        var sent = new byte[3_000_000];
        new Random(1).NextBytes(sent);
        var writing = Task.Run(async () =>
        {
            for (var at = 0; at < sent.Length; at += 70_000)
            {
                await pipe.Output.WriteAsync(sent.AsMemory(at, Math.Min(70_000, sent.Length - at)), ChannelPair.Soon);
            }

            await pipe.Output.CompleteAsync();
        });
        var received = await ReadToEndAsync(pipe.Input);
        await writing;
        Assert.True(sent.AsSpan().SequenceEqual(received));
        await pipe.Input.CompleteAsync();
    }

    [Fact]
    public async Task A_peer_that_does_not_read_stops_the_flush()
    {
        await using var pair = NewPair();
        // Its answers are not read, so the echo stops reading, too.
        var pipe = await OpenAsync(pair, ChannelPair.EchoStream);
        long flushed = 0;
        var piece = new byte[64 << 10];
        var flush = Task.CompletedTask;
        while (flush.IsCompleted)
        {
            flush = pipe.Output.WriteAsync(piece, ChannelPair.Soon).AsTask();
            await Task.WhenAny(flush, Task.Delay(500));
            flushed += flush.IsCompleted ? piece.Length : 0;
            Assert.InRange(flushed, 0, 32 << 20);
        }

        var reading = pipe.Input.ReadAsync(ChannelPair.Soon).AsTask();
        while (await Task.WhenAny(flush, reading) != flush)
        {
            pipe.Input.AdvanceTo((await reading).Buffer.End);
            reading = pipe.Input.ReadAsync(ChannelPair.Soon).AsTask();
        }

        await flush;
        pipe.Input.CancelPendingRead();
        pipe.Input.AdvanceTo((await reading).Buffer.End);
        await pipe.Output.CompleteAsync(new IOException("enough"));
        await pipe.Input.CompleteAsync();
    }

    [Fact]
    public async Task The_peers_error_is_thrown_to_the_reader_and_holds_the_channels_own()
    {
        await using var pair = NewPair();
        var pipe = await OpenAsync(pair, s_missing);
        var error = await Assert.ThrowsAsync<IOException>(async () => await pipe.Input.ReadAsync(ChannelPair.Soon));
        Assert.Equal(ChannelError.UnknownMethod, Assert.IsType<ChannelException>(error.InnerException).Code);
        await pipe.Input.CompleteAsync();
        pipe.Output.Complete();
    }

    [Fact]
    public async Task A_cancelled_read_loses_no_byte()
    {
        await using var pair = NewPair();
        var pipe = await OpenAsync(pair, ChannelPair.EchoStream);
        var waiting = pipe.Input.ReadAsync(ChannelPair.Soon).AsTask();
        pipe.Input.CancelPendingRead();
        var cancelled = await waiting;
        Assert.True(cancelled.IsCanceled);
        pipe.Input.AdvanceTo(cancelled.Buffer.Start);
        using var gone = new CancellationTokenSource();
        waiting = pipe.Input.ReadAsync(gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await pipe.Output.WriteAsync("whole"u8.ToArray(), ChannelPair.Soon);
        await pipe.Output.CompleteAsync();
        Assert.Equal("whole"u8.ToArray(), await ReadToEndAsync(pipe.Input));
        await pipe.Input.CompleteAsync();
    }

    [Fact]
    public async Task An_error_of_either_pipe_ends_the_peers_handler()
    {
        foreach (var ofReader in new[] { false, true })
        {
            await using var pair = NewPair();
            var pipe = await OpenAsync(pair, ChannelPair.EchoStream);
            await pipe.Output.WriteAsync("x"u8.ToArray(), ChannelPair.Soon);
            pipe.Input.AdvanceTo((await pipe.Input.ReadAsync(ChannelPair.Soon)).Buffer.End);
            await (ofReader ? pipe.Input.CompleteAsync(new IOException("enough")) : pipe.Output.CompleteAsync(new IOException("enough")));
            var other = await Assert.ThrowsAnyAsync<Exception>(async () =>
            {
                if (ofReader)
                {
                    await pipe.Output.WriteAsync("y"u8.ToArray(), ChannelPair.Soon);
                }
                else
                {
                    await pipe.Input.ReadAsync(ChannelPair.Soon);
                }
            });
            Assert.True(other is IOException or OperationCanceledException, other.ToString());
        }
    }

    private static async Task<IDuplexPipe> OpenAsync(ChannelPair pair, StreamMethod<Empty> method) =>
        (await pair.Host.OpenStreamAsync(method, new Empty(), cancellationToken: ChannelPair.Soon)).AsDuplexPipe();

    private static async Task<byte[]> ReadToEndAsync(PipeReader reader)
    {
        var bytes = new ArrayBufferWriter<byte>();
        while (true)
        {
            var result = await reader.ReadAsync(ChannelPair.Soon);
            foreach (var piece in result.Buffer)
            {
                bytes.Write(piece.Span);
            }

            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return bytes.WrittenSpan.ToArray();
            }
        }
    }
}
