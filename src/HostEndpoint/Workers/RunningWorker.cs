using ChannelSdk.Channels.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Host.Workers;

/// <summary>A worker that works: its process, the links that are opened for it, and the socket by which it and this process wake each other, which this is.</summary>
internal sealed class RunningWorker : ITransportLink
{
    private readonly WorkerProcess _process;
    private readonly ITransportLink _bell;
    private readonly ITransportLink _requests;
    private readonly LinkBroker _broker;
    private readonly CancellationTokenSource _stopping = new();
    private Task _serving = Task.CompletedTask;

    private RunningWorker(WorkerProcess process, ITransportLink bell, ITransportLink requests, LinkBroker broker) =>
        (_process, _bell, _requests, _broker) = (process, bell, requests, broker);

    /// <summary>The guest, or the worker while it has had no link.</summary>
    public PeerIdentity Peer => _broker.Peer ?? _bell.Peer;

    /// <summary>What it is; null once it is ended.</summary>
    public WorkerStatus? Status => _stopping.IsCancellationRequested ? null : new WorkerStatus(_process.ProcessId, _process.Confinement);

    /// <summary>Periods in which it wanted more time of processors than it may have.</summary>
    public long Throttles => _process.Throttles;

    /// <summary>Tells a confined worker what it works for, and serves it.</summary>
    /// <param name="process">Its process, which is this object's from now on.</param>
    /// <param name="bell">This side of the socket that wakes.</param>
    /// <param name="endpoint">Where its links come from.</param>
    /// <param name="setup">Its bounds and times.</param>
    /// <exception cref="ChannelException">It has ended already, or cannot be waited for.</exception>
    public static async ValueTask<RunningWorker> StartAsync(WorkerProcess process, SafeFd bell, ITransportEndpoint endpoint, WorkerSetup setup)
    {
        try
        {
            if (FileMessage.Send(process.Control, setup.ToBytes(), null) is not 0 and var error)
            {
                throw new ChannelException(ChannelError.WorkerFailed, ErrorClass.Retry, $"the worker of {endpoint.Uri} ended at once: {Errno.Describe(error)}");
            }

            var identity = new PeerIdentity("worker", endpoint.Uri);
            var requests = DescriptorLinks.Attach(process.Control, identity);
            var worker = new RunningWorker(process, DescriptorLinks.Attach(bell, identity), requests, new LinkBroker(endpoint, process.Control));
            worker._serving = worker.ServeAsync();
            return worker;
        }
        catch
        {
            await process.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _bell.ReceiveAsync(buffer);

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => _bell.SendAsync(buffer);

    public void Abort() => _bell.Abort();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _bell.DisposeAsync().ConfigureAwait(false);
        await _requests.DisposeAsync().ConfigureAwait(false);
        await _serving.ConfigureAwait(false);
        await _process.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            await _broker.RunAsync(_requests, _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException or ObjectDisposedException)
        {
            // It ends, or broke the rules; without links it is of no use.
        }

        _process.Kill();
    }
}
