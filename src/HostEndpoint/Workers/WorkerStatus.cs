namespace ChannelSdk.Host.Workers;

/// <summary>The worker of an instance at one moment.</summary>
/// <param name="ProcessId">Its number, in the host's namespace of processes.</param>
/// <param name="Confinement">What keeps it from the rest of the host.</param>
public sealed record WorkerStatus(int ProcessId, WorkerConfinement Confinement);
