namespace ChannelSdk.Channels.Workers;

/// <summary>Channels of a host whose sessions are in processes of their own.</summary>
public static class WorkerChannel
{
    /// <summary>Makes one; its start starts a worker.</summary>
    /// <param name="source">Where workers come from; disposed of with the channel.</param>
    /// <param name="services">The methods that this side serves.</param>
    /// <param name="options">Bounds and times, which the workers have too; null for the defaults.</param>
    /// <param name="time">The clock, which measures as the workers' do; null for the system's.</param>
    /// <exception cref="Protocol.Errors.ChannelException">An option is out of range (<see cref="Protocol.Errors.ChannelError.BadConfiguration"/>).</exception>
    public static Channel Create(IWorkerSource source, ServiceRegistry services, ChannelOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(services);
        return new Channel(
            options ?? new ChannelOptions(), time ?? TimeProvider.System,
            (core, clock) => new WorkerEngine(core, source, new CallDispatcher(core, services), clock));
    }
}
