using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Workers;

/// <summary>What a worker must have besides <see cref="WorkerOptions"/> for what its endpoint is.</summary>
/// <param name="IsDevice">Whether it serves a device: it may make the system calls that maps a peer's memory and interrupts it.</param>
/// <param name="SharedMemory">Bytes of a peer's memory that it maps: a page counts in its control group if the worker touches it first.</param>
/// <param name="Descriptors">Descriptors that a peer gives to it.</param>
internal readonly record struct WorkerNeeds(bool IsDevice, long SharedMemory, int Descriptors)
{
    // Twice a memory table of the most regions, as the next one comes before the last one is let go, the connection and the queues' events.
    private const int OfDevice = 32;

    /// <summary>Those of an endpoint.</summary>
    public static WorkerNeeds Of(ITransportEndpoint endpoint) => endpoint is IDelegatedEndpoint device ? new WorkerNeeds(true, device.SharedMemory, OfDevice) : default;
}
