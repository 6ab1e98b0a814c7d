using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Workers that are objects of this process: all of the seam but the processes.</summary>
internal sealed class WorkerInProcess(Func<ITransportEndpoint> endpoint, ChannelOptions options, TimeProvider? time = null) : IWorkerSource
{
    private Task _running = Task.CompletedTask;

    public WorkerInProcess(ITransportEndpoint endpoint, ChannelOptions options, TimeProvider? time = null)
        : this(() => endpoint, options, time)
    {
    }

    public string Uri => "worker://in-process";

    public PeerIdentity Peer => new("worker", "in-process");

    public IWorkerMemory CreateMemory(int bytes) => new LateMemory(SharedMemory.Create("worker", bytes), this);

    public async ValueTask<ITransportLink> StartAsync(IWorkerMemory memory, bool resumes, CancellationToken cancellationToken)
    {
        await _running.WaitAsync(cancellationToken);
        var bells = new InMemoryPair();
        var there = bells.Guest.OpenAsync(cancellationToken).AsTask();
        var here = await bells.Host.OpenAsync(cancellationToken);
        _running = RunAsync(new ChannelWorker(endpoint(), options, memory.Memory, await there, resumes, time));
        return here;

        async Task RunAsync(ChannelWorker worker)
        {
            await using (worker)
            {
                await worker.RunAsync();
            }
        }
    }

    public async ValueTask DisposeAsync() => await _running;

    /// <summary>Memory that goes once no worker of this process uses it.</summary>
    private sealed class LateMemory(SharedMemory memory, WorkerInProcess workers) : IWorkerMemory
    {
        public Memory<byte> Memory => memory.Memory;

        public void Dispose() => workers._running.ContinueWith(_ => ((IDisposable)memory).Dispose(), TaskScheduler.Default);
    }
}
