using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What others' code throws ends nothing but what it belongs to, and is told.</summary>
public class FaultTests
{
    private static async Task<ChannelEvent> EventAsync(IAsyncEnumerable<ChannelEvent> events, ChannelEventKind kind)
    {
        await foreach (var next in events)
        {
            if (next.Kind == kind)
            {
                return next;
            }
        }

        throw new InvalidOperationException($"the events ended without {kind}");
    }

    [Fact]
    public async Task An_endpoint_that_throws_anything_is_told_and_tried_again()
    {
        await using var memory = new InMemoryPair();
        var endpoint = new Throwing(memory.Host) { OnOpen = 2 };
        await using var pair = new ChannelPair(memory.Guest, endpoint);
        var reply = await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
        Assert.Empty(reply.Value);
        Assert.Equal(0, endpoint.OnOpen);
        Assert.Equal((ChannelError.Internal, true), (pair.Host.Status.LastError!.Code, pair.Host.Status.LastError.InnerException is IOException));
    }

    [Theory]
    [InlineData("send")]
    [InlineData("send at once")]
    [InlineData("receive")]
    [InlineData("too much received")]
    [InlineData("too much sent")]
    public async Task A_link_that_throws_anything_ends_and_the_session_resumes_on_the_next(string where)
    {
        await using var memory = new InMemoryPair();
        var endpoint = new Throwing(memory.Host);
        await using var pair = new ChannelPair(memory.Guest, endpoint);
        await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
        var events = pair.Host.WatchAsync(ChannelPair.Soon);
        endpoint.Fault = where;
        var lost = Task.Run(() => EventAsync(events, ChannelEventKind.LinkLost));
        await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
        Assert.Equal(ChannelError.Internal, (await lost).Error);
        await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
        Assert.Equal(LinkState.Up, pair.Host.Status.LinkState);
    }

    [Fact]
    public async Task A_callback_of_a_cancelled_handler_that_throws_hurts_no_other_call()
    {
        var method = new RpcMethod<Empty, Empty>("fault.Cancel", StreamClass.Rpc);
        var services = new ServiceRegistry();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        services.Unary(ChannelPair.Echo, static (request, _) => ValueTask.FromResult(request));
        services.Unary(method, async (_, context) =>
        {
            context.CancellationToken.Register(() => throw new InvalidOperationException("of the handler"));
            started.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return new Empty();
        });
        await using var memory = new InMemoryPair();
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, services);
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry());
        var fault = EventAsync(guest.WatchAsync(ChannelPair.Soon), ChannelEventKind.Fault);
        guest.Start();
        host.Start();
        using var cancel = new CancellationTokenSource();
        var call = host.CallAsync(method, new Empty(), cancellationToken: cancel.Token).AsTask();
        await started.Task.WaitAsync(ChannelPair.Soon);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Contains("of the handler", (await fault).Text);
        await host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
    }

    [Fact]
    public async Task A_handler_without_a_reply_fails_its_own_call()
    {
        var method = new RpcMethod<Empty, Empty>("fault.Null", StreamClass.Rpc);
        var services = new ServiceRegistry();
        services.Unary(method, static (_, _) => ValueTask.FromResult<Empty>(null!));
        await using var memory = new InMemoryPair();
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, services);
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry());
        guest.Start();
        host.Start();
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await host.CallAsync(method, new Empty(), cancellationToken: ChannelPair.Soon));
        Assert.Equal(ChannelError.Internal, error.Code);
    }

    [Fact]
    public async Task A_guard_that_fails_refuses_its_call_and_no_other()
    {
        var services = new ServiceRegistry();
        services.Unary(ChannelPair.Echo, static (request, _) => ValueTask.FromResult(request));
        var guard = new FullDisk();
        await using var memory = new InMemoryPair();
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, services, new ChannelOptions { Guard = guard });
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry());
        guest.Start();
        host.Start();
        foreach (var (method, code) in new[] { (ChannelPair.Echo, ChannelError.Internal), (new RpcMethod<BytesValue, BytesValue>("fault.Missing", StreamClass.Rpc), ChannelError.UnknownMethod) })
        {
            var error = await Assert.ThrowsAsync<ChannelException>(async () => await host.CallAsync(method, new BytesValue(), cancellationToken: ChannelPair.Soon));
            Assert.Equal((code, ErrorClass.Refused), (error.Code, error.Class));
        }

        guard.IsFull = false;
        await host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
    }

    private sealed class FullDisk : ICallGuard
    {
        public volatile bool IsFull = true;

        public void OnCalling(string method, bool isPrivileged)
        {
        }

        public void OnCalled(string untrustedMethod, bool isServed)
        {
            if (IsFull)
            {
                throw new IOException("No space left on device");
            }
        }
    }

    [Fact]
    public async Task A_channel_whose_endpoint_fails_at_its_end_is_disposed_of_all_the_same()
    {
        await using var memory = new InMemoryPair();
        var endpoint = new Throwing(memory.Host);
        var pair = new ChannelPair(memory.Guest, endpoint);
        await pair.Host.WaitReadyAsync(ChannelPair.Soon);
        var events = pair.Host.WatchAsync(ChannelPair.Soon);
        endpoint.FailsAtEnd = true;
        await pair.DisposeAsync();
        Assert.True(endpoint.IsDisposed);
        await foreach (var _ in events)
        {
            // They end.
        }
    }

    [Fact]
    public async Task A_call_that_is_cancelled_before_there_was_an_agent_says_that_it_did_not_run()
    {
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create("unix:///nonexistent/there.sock"), new ServiceRegistry());
        channel.Start();
        using var cancel = new CancellationTokenSource();
        var call = channel.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: cancel.Token).AsTask();
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(ErrorClass.Retry, Assert.IsType<ChannelException>(error.InnerException).Class);
    }

    [Fact]
    public async Task An_unanswered_stream_without_a_link_ends_as_not_run()
    {
        await using var channel = new Channel(PeerRole.Host, TransportEndpoints.Create("unix:///nonexistent/there.sock"), new ServiceRegistry());
        channel.Start();
        var error = await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            var stream = await channel.OpenStreamAsync(ChannelPair.EchoStream, new Empty(), new CallOptions(AnswerWithin: TimeSpan.FromMilliseconds(50)), ChannelPair.Soon);
            await stream.ReadAsync(ChannelPair.Soon);
        });
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (error.Code, error.Class));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    public async Task A_deadline_that_is_over_already_is_refused(int milliseconds)
    {
        await using var pair = new ChannelPair();
        var error = await Assert.ThrowsAsync<ChannelException>(async () =>
            await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), new CallOptions(TimeSpan.FromMilliseconds(milliseconds)), ChannelPair.Soon));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
    }

    /// <summary>An endpoint that throws what the channel does not expect.</summary>
    private sealed class Throwing(ITransportEndpoint inner) : ITransportEndpoint
    {
        /// <summary>How many openings fail.</summary>
        public int OnOpen { get; set; }

        /// <summary>What the present link does wrong, once.</summary>
        public string? Fault { get; set; }

        public bool FailsAtEnd { get; set; }

        public bool IsDisposed { get; private set; }

        public string Uri => inner.Uri;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            if (OnOpen > 0)
            {
                OnOpen--;
                throw new IOException("not a channel's exception");
            }

            return new ThrowingLink(this, await inner.OpenAsync(cancellationToken));
        }

        public bool Take(string fault)
        {
            var isIt = Fault == fault;
            Fault = isIt ? null : Fault;
            return isIt;
        }

        public async ValueTask DisposeAsync()
        {
            IsDisposed = true;
            await inner.DisposeAsync();
            if (FailsAtEnd)
            {
                throw new IOException("at the end");
            }
        }
    }

    private sealed class ThrowingLink(Throwing owner, ITransportLink inner) : ITransportLink
    {
        public PeerIdentity Peer => inner.Peer;

        public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
        {
            var count = await inner.ReceiveAsync(buffer);
            return owner.Take("receive") ? throw new IOException("of a receive") : owner.Take("too much received") ? buffer.Length + 1 : count;
        }

        public ValueTask<int> SendAsync(ReadOnlyMemory<byte> bytes) =>
            owner.Take("send at once") ? throw new IOException("of a send") : SendLaterAsync(bytes);

        public void Abort()
        {
            inner.Abort();
            if (owner.FailsAtEnd)
            {
                throw new IOException("of an abort");
            }
        }

        public async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            if (owner.FailsAtEnd)
            {
                throw new IOException("of a disposal");
            }
        }

        private async ValueTask<int> SendLaterAsync(ReadOnlyMemory<byte> bytes)
        {
            await Task.Yield();
            return owner.Take("send") ? throw new IOException("of a send") : owner.Take("too much sent") ? bytes.Length + 1 : await inner.SendAsync(bytes);
        }
    }
}
