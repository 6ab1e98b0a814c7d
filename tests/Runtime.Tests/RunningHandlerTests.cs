using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.InMemory;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Calls that are given up while their handlers still run.</summary>
public sealed class RunningHandlerTests : IDisposable
{
    private const int Most = 4;
    private static readonly RpcMethod<Empty, Empty> s_slow = new("test.Slow", StreamClass.Rpc);
    private static readonly StreamMethod<Empty> s_slowStream = new("test.SlowStream", StreamClass.Rpc);
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _started = new(0);
    private int _running;

    public void Dispose() => _started.Dispose();

    /// <summary>A handler that no cancellation ends.</summary>
    private async Task HandleAsync()
    {
        Interlocked.Increment(ref _running);
        _started.Release();
        await _release.Task;
        Interlocked.Decrement(ref _running);
    }

    private static async Task CallAsync(Channel host, bool isStream, CancellationToken token)
    {
        if (!isStream)
        {
            await host.CallAsync(s_slow, new Empty(), cancellationToken: token);
            return;
        }

        await using var stream = await host.OpenStreamAsync(s_slowStream, new Empty(), cancellationToken: token);
        using var end = await stream.ReadAsync(token);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_peer_that_resets_its_calls_has_no_more_handlers_running_than_streams_allowed(bool isStream)
    {
        await using var memory = new InMemoryPair();
        var services = new ServiceRegistry();
        services.Unary(s_slow, async (_, _) =>
        {
            await HandleAsync();
            return new Empty();
        });
        services.Stream(s_slowStream, async (_, _, _) => await HandleAsync());
        var options = new ChannelOptions { Session = new SessionOptions { MaxStreams = new StreamClassValues(Most, Most, Most) } };
        await using var guest = new Channel(PeerRole.Guest, memory.Guest, services, options);
        await using var host = new Channel(PeerRole.Host, memory.Host, new ServiceRegistry());
        guest.Start();
        host.Start();
        for (var i = 0; i < Most; i++)
        {
            using var cancel = new CancellationTokenSource();
            var call = CallAsync(host, isStream, cancel.Token);
            Assert.True(await _started.WaitAsync(TimeSpan.FromSeconds(30)));
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        }

        for (var i = 0; i < 20; i++)
        {
            using var cancel = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            var started = _started.WaitAsync(cancel.Token);
            var call = CallAsync(host, isStream, cancel.Token);
            Assert.Same(call, await Task.WhenAny(call, started));
            var error = await Assert.ThrowsAsync<ChannelException>(() => call);
            Assert.Equal((ChannelError.TooManyStreams, ErrorClass.Retry), (error.Code, error.Class));
            Assert.Equal(Most, Volatile.Read(ref _running));
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => started);
        }

        // Those that have ended leave their places to others.
        _release.SetResult();
        for (var soon = ChannelPair.Soon; ;)
        {
            try
            {
                await CallAsync(host, isStream, soon);
                break;
            }
            catch (ChannelException e) when (e.Code == ChannelError.TooManyStreams)
            {
                await Task.Delay(1, soon);
            }
        }
    }
}
