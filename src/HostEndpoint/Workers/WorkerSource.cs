using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Host.Limits;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Workers;

/// <summary>The workers of one instance: a process each, one after the other, on the endpoint that this process opens for them.</summary>
/// <param name="instance">The instance's name.</param>
/// <param name="endpoint">Where its links come from; disposed of with this.</param>
/// <param name="channel">Bounds and times of its channel.</param>
/// <param name="options">How workers are started.</param>
/// <param name="pace">How often.</param>
internal sealed class WorkerSource(string instance, ITransportEndpoint endpoint, ChannelOptions channel, WorkerOptions options, StartPace pace) : IWorkerSource
{
    private volatile RunningWorker? _running;

    public string Uri => endpoint.Uri;

    public PeerIdentity Peer => _running?.Peer ?? new PeerIdentity("worker", instance);

    /// <summary>The present worker; null while there is none.</summary>
    public WorkerStatus? Status => _running?.Status;

    /// <summary>Periods in which the present worker wanted more time of processors than it may have.</summary>
    public long Throttles => _running?.Throttles ?? 0;

    public IWorkerMemory CreateMemory(int bytes)
    {
        try
        {
            return new WorkerMemory(SharedMemory.Create("channel-worker", bytes));
        }
        catch (InsufficientMemoryException e)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"the worker of {instance} can have {e.Message}", e);
        }
    }

    public async ValueTask<ITransportLink> StartAsync(IWorkerMemory memory, bool resumes, CancellationToken cancellationToken)
    {
        await pace.WaitAsync(cancellationToken).ConfigureAwait(false);
        // A thread of this worker's alone closes what it may send through its sockets.
        var closer = new ForeignCloser();
        var (own, other) = Descriptor.SocketPair(Abi.SOCK_STREAM, closer)
            ?? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"no descriptors are left for the worker of {instance}");
        using (other)
        {
            try
            {
                using var file = Borrow(((WorkerMemory)memory).File);
                var needs = WorkerNeeds.Of(endpoint);
                SafeFileHandle[] ofDevice = (endpoint as IDelegatedEndpoint)?.Store is { } store ? [Borrow(store.Writing), Borrow(store.Reading)] : [];
                cancellationToken.ThrowIfCancellationRequested();
                var process = await WorkerProcess.StartAsync(instance, options, closer, [file, other, .. ofDevice], needs).ConfigureAwait(false);
                var listening = endpoint as IListeningEndpoint;
                var setup = new WorkerSetup(channel, listening is not null, listening is { HasCandidates: true }, resumes) { Kind = needs.Kind };
                return _running = await RunningWorker.StartAsync(process, own, endpoint, setup).ConfigureAwait(false);
            }
            catch
            {
                own.Dispose();
                throw;
            }
        }
    }

    public ValueTask DisposeAsync() => endpoint.DisposeAsync();

    // The same file, for the start of a program.
    private static SafeFileHandle Borrow(SafeFd file) => new(file.DangerousGetHandle(), ownsHandle: false);

    private sealed class WorkerMemory(SharedMemory memory) : IWorkerMemory
    {
        public Memory<byte> Memory => memory.Memory;

        public SafeFd File => memory.File;

        public void Dispose() => ((IDisposable)memory).Dispose();
    }
}
