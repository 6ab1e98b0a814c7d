using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using Google.Protobuf.WellKnownTypes;
using Xunit;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A call and its cancellation that reach the callee together.</summary>
public sealed class GivenUpCallTests
{
    private static readonly RpcMethod<Empty, Empty> s_count = new("test.Count", StreamClass.Rpc);
    private static readonly StreamMethod<Empty> s_countStream = new("test.CountStream", StreamClass.Rpc);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_that_was_reset_before_its_handler_began_is_not_started(bool isStream)
    {
        var ran = 0;
        var services = new ServiceRegistry();
        services.Unary(ChannelPair.Echo, static (request, _) => ValueTask.FromResult(request));
        services.Unary(s_count, (_, _) =>
        {
            Interlocked.Increment(ref ran);
            return ValueTask.FromResult(new Empty());
        });
        services.Stream(s_countStream, (_, _, _) =>
        {
            Interlocked.Increment(ref ran);
            return ValueTask.CompletedTask;
        });
        // No heartbeat comes between, so what the host has sent can be counted.
        var options = new ChannelOptions { Session = new SessionOptions { HeartbeatInterval = TimeSpan.FromMinutes(1) } };
        await using var memory = new InMemoryPair();
        var gate = new Gate(memory.Guest);
        await using var guest = new Channel(PeerRole.Guest, gate, services, options);
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry(), options);
        guest.Start();
        host.Start();
        await host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);

        var held = gate.Close();
        var before = host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon).AsTask();
        await held.WaitAsync(ChannelPair.Soon);
        var sent = host.Status.BytesOut;
        await GiveUpAsync(host, isStream, sent);
        // OPEN, the request and RESET have gone out.
        await WaitForBytesAsync(host, sent + 3 * 24 + 2);
        gate.Open();
        await before;
        await host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
        Assert.Equal(0, Volatile.Read(ref ran));
    }

    private static async Task GiveUpAsync(Channel host, bool isStream, long sent)
    {
        if (isStream)
        {
            var stream = await host.OpenStreamAsync(s_countStream, new Empty(), cancellationToken: ChannelPair.Soon);
            await WaitForBytesAsync(host, sent + 2 * 24);
            await stream.DisposeAsync();
            return;
        }

        using var cancel = new CancellationTokenSource();
        var call = host.CallAsync(s_count, new Empty(), cancellationToken: cancel.Token).AsTask();
        await WaitForBytesAsync(host, sent + 2 * 24);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    private static async Task WaitForBytesAsync(Channel host, long count)
    {
        for (var soon = ChannelPair.Soon; host.Status.BytesOut < count;)
        {
            await Task.Delay(1, soon);
        }
    }

    /// <summary>Holds back all received bytes while it is closed.</summary>
    private sealed class Gate(ITransportEndpoint inner) : ITransportEndpoint
    {
        private volatile TaskCompletionSource? _opened;
        private TaskCompletionSource _held = new();

        public string Uri => inner.Uri;

        /// <summary>Closes; the task ends when something is held.</summary>
        public Task Close()
        {
            _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _held.Task;
        }

        public void Open()
        {
            var opened = _opened!;
            _opened = null;
            opened.SetResult();
        }

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => new GatedLink(this, await inner.OpenAsync(cancellationToken));

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private sealed class GatedLink(Gate gate, ITransportLink inner) : ITransportLink
        {
            public PeerIdentity Peer => inner.Peer;

            public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
            {
                var count = await inner.ReceiveAsync(buffer);
                if (gate._opened is { } opened)
                {
                    gate._held.TrySetResult();
                    await opened.Task;
                }

                return count;
            }

            public ValueTask<int> SendAsync(ReadOnlyMemory<byte> bytes) => inner.SendAsync(bytes);

            public void Abort() => inner.Abort();

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
