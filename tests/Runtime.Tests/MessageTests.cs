using System.Buffers;
using System.Runtime.InteropServices;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.InMemory;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Xunit;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The memory of received messages, and of unread ones.</summary>
public sealed class MessageTests
{
    private static readonly StreamMethod<Empty> s_deaf = new("test.Deaf", StreamClass.Bulk);

    [Fact]
    public async Task Memory_for_a_message_in_parts_is_as_much_as_the_one_before_took()
    {
        await using var pair = new ChannelPair();
        await using var stream = await pair.Host.OpenStreamAsync(ChannelPair.EchoStream, new Empty(), cancellationToken: ChannelPair.Soon);
        var memory = new List<int>();
        foreach (var size in new[] { 300_000, 70_000, 70_000 })
        {
            await stream.WriteAsync(new byte[size], ChannelPair.Soon);
            using var echo = await stream.ReadAsync(ChannelPair.Soon);
            Assert.True(MemoryMarshal.TryGetArray(echo.Memory, out var array));
            Assert.Equal(size, array.Count);
            memory.Add(array.Array!.Length);
        }

        // The pool's sizes are powers of two. The second one's is for the first; who goes on with small ones gets no more than they need.
        Assert.Equal([512 << 10, 512 << 10, 128 << 10], memory);
    }

    [Fact]
    public async Task A_message_that_is_disposed_of_twice_gives_its_memory_back_once()
    {
        await using var pair = new ChannelPair();
        await using var stream = await pair.Host.OpenStreamAsync(ChannelPair.Source, new Int64Value { Value = 3 }, cancellationToken: ChannelPair.Soon);
        var first = await stream.ReadAsync(ChannelPair.Soon);
        var copy = first;
        DisposeBoth(first, copy);
        Assert.Throws<ObjectDisposedException>(() => copy.Memory);
        Assert.Throws<ObjectDisposedException>(() => copy.Span.Length);

        // An old copy does nothing to the message that came after it.
        using var second = await stream.ReadAsync(ChannelPair.Soon);
        copy.Dispose();
        Assert.Equal(ChannelPair.Numbered(1), second.Memory);
        using var third = await stream.ReadAsync(ChannelPair.Soon);
        Assert.Equal(ChannelPair.Numbered(1), second.Memory);
        Assert.Equal(ChannelPair.Numbered(2), third.Memory);
        using var end = await stream.ReadAsync(ChannelPair.Soon);
        Assert.True(end.IsEnd && end.Memory.IsEmpty);
    }

    /// <summary>On one thread, so the pool has what was given back at hand.</summary>
    private static void DisposeBoth(ReceivedMessage message, ReceivedMessage copy)
    {
        var size = message.Memory.Length;
        message.Dispose();
        copy.Dispose();
        Assert.NotSame(ArrayPool<byte>.Shared.Rent(size), ArrayPool<byte>.Shared.Rent(size));
    }

    [Fact]
    public async Task Unread_messages_hold_up_no_call_and_go_with_their_handlers()
    {
        const int Large = 800 << 10;
        var options = new ChannelOptions { AssemblyBytes = 4 << 20, Session = new SessionOptions { StreamWindow = new(16 << 10, 64 << 10, 64 << 10) } };
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var services = new ServiceRegistry();
        services.Unary(ChannelPair.Echo, static (request, _) => ValueTask.FromResult(request));
        services.Stream(s_deaf, async (_, _, _) => await release.Task);
        await using var memory = new InMemoryPair();
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, services, options);
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry(), options);
        guest.Start();
        host.Start();
        var large = new BytesValue { Value = ByteString.CopyFrom(new byte[Large]) };
        for (var round = 0; round < 3; round++)
        {
            var streams = new List<ChannelStream>();
            var writes = new List<Task>();
            for (var i = 0; i < 8; i++)
            {
                streams.Add(await host.OpenStreamAsync(s_deaf, new Empty(), cancellationToken: ChannelPair.Soon));
                writes.Add(streams[i].WriteAsync(new byte[Large]).AsTask());
            }

            // Some of the messages are whole by now, and the others wait.
            await Task.WhenAny(writes).WaitAsync(ChannelPair.Soon);
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => host.CallAsync(ChannelPair.Echo, large, cancellationToken: ChannelPair.Soon).AsTask()));
            Assert.InRange(writes.Count(static write => write.IsCompletedSuccessfully), 1, 2);
            release.SetResult();
            foreach (var stream in streams)
            {
                using var end = await stream.ReadAsync(ChannelPair.Soon);
                Assert.True(end.IsEnd);
                await stream.DisposeAsync();
            }

            foreach (var write in writes)
            {
                await Record.ExceptionAsync(() => write);
            }

            release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
