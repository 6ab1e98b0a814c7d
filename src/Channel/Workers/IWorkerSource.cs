using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Workers;

/// <summary>Where the workers of one instance come from, one after the other.</summary>
public interface IWorkerSource : IAsyncDisposable
{
    /// <summary>The endpoint that the worker serves, for events and errors.</summary>
    string Uri { get; }

    /// <summary>The guest, by construction of that endpoint.</summary>
    PeerIdentity Peer { get; }

    /// <summary>Makes memory to share with the next worker, all zero.</summary>
    /// <param name="bytes">Its size.</param>
    IWorkerMemory CreateMemory(int bytes);

    /// <summary>Starts a worker on the memory.</summary>
    /// <param name="memory">What <see cref="CreateMemory"/> gave.</param>
    /// <param name="resumes">Whether it goes on with what another worker has left in that memory.</param>
    /// <param name="cancellationToken">Ends the wait for it.</param>
    /// <returns>The socket to it, whose end is the worker's; disposing of it ends the worker.</returns>
    ValueTask<ITransportLink> StartAsync(IWorkerMemory memory, bool resumes, CancellationToken cancellationToken);
}

/// <summary>Memory that is shared with a worker. It stays mapped until it is disposed of, whatever the worker does with its own.</summary>
public interface IWorkerMemory : IDisposable
{
    /// <summary>The memory.</summary>
    Memory<byte> Memory { get; }
}
