using System.Buffers.Binary;
using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A worker that was taken over lies while its host manager looks at other things.</summary>
public sealed class LyingWorkerTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(6);

    [Fact]
    public async Task A_lie_that_a_timer_finds_ends_the_worker_and_not_the_process()
    {
        var time = new FakeTimeProvider();
        await using var source = new LyingSource();
        await using var channel = WorkerChannel.Create(source, new ServiceRegistry(), time: time);
        channel.SetState(StateWord.Ready);
        channel.Start();
        await source.Started.WaitAsync(TimeSpan.FromSeconds(10));
        source.Lie();
        // What the timer throws is thrown here.
        time.Advance(s_patience);
        for (var i = 0; i < 1000 && channel.Status.LastError is null; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(ChannelError.WorkerFailed, channel.Status.LastError?.Code);
        Assert.Contains("a reader's position", channel.Status.LastError!.Message, StringComparison.Ordinal);
    }

    private sealed class LyingSource : IWorkerSource
    {
        private const int ReadPosition = 64;
        private readonly TaskCompletionSource _started = new();
        private byte[] _memory = [];

        public Task Started => _started.Task;

        public string Uri => "worker://lying";

        public PeerIdentity Peer => new("worker", "lying");

        public IWorkerMemory CreateMemory(int bytes) => new HeapMemory(_memory = new byte[bytes]);

        public async ValueTask<ITransportLink> StartAsync(IWorkerMemory memory, bool resumes, CancellationToken cancellationToken)
        {
            var bells = new InMemoryPair();
            _ = bells.Guest.OpenAsync(cancellationToken).AsTask();
            var link = await bells.Host.OpenAsync(cancellationToken);
            _started.TrySetResult();
            return link;
        }

        public void Lie() => BinaryPrimitives.WriteInt64LittleEndian(_memory.AsSpan(ReadPosition), 1 << 20);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private sealed class HeapMemory(byte[] memory) : IWorkerMemory
        {
            public Memory<byte> Memory => memory;

            public void Dispose()
            {
            }
        }
    }
}
