using ChannelSdk.Channels.Workers;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Workers;

/// <summary>What a worker must have besides <see cref="WorkerOptions"/> for what its endpoint is.</summary>
/// <param name="Kind">What it is given for a link, by which its system calls are allowed.</param>
/// <param name="SharedMemory">Bytes of a peer's memory that it maps: a page counts in its control group if the worker touches it first.</param>
/// <param name="Descriptors">Descriptors that a peer gives to it.</param>
internal readonly record struct WorkerNeeds(BrokeredKind Kind, long SharedMemory, int Descriptors)
{
    // Twice a memory table of the most regions, as the next one comes before the last one is let go, the connection and the queues' events.
    private const int OfDevice = 32;

    /// <summary>Those of an endpoint.</summary>
    public static WorkerNeeds Of(ITransportEndpoint endpoint) => endpoint switch
    {
        IDelegatedEndpoint device => new WorkerNeeds(BrokeredKind.VsockDevice, device.SharedMemory, OfDevice),
        // The other domain's pages are its own.
        IMappedEndpoint => new WorkerNeeds(BrokeredKind.Vchan, 0, 0),
        _ => default,
    };
}
