using ChannelSdk.HostEndpoint.Policy;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Metadata;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;

namespace ChannelSdk.HostEndpoint;

/// <summary>Bounds and times of one instance.</summary>
public sealed record InstanceOptions
{
    /// <summary>Bounds and times of its channel, rate limits included.</summary>
    public ChannelOptions Channel { get; init; } = new();

    /// <summary>
    /// The instance at a metadata server, to serve its HTTP metadata to a guest that has no network to its host: the agent
    /// relays the connections. It stays the caller's. Null: such connections are refused.
    /// </summary>
    public MetadataInstance? Metadata { get; init; }

    /// <summary>What this host may ask of the guest, and the guest of it.</summary>
    public HostPolicy Policy { get; init; } = HostPolicy.Open;

    /// <summary>
    /// Told of each call that was refused here and of each privileged one that was let through; null: nobody is. It runs
    /// within the call, at most ten times a second for what a guest does: return at once.
    /// </summary>
    public Action<AuditRecord>? Audit { get; init; }

    /// <summary>Deadline of a call that gives none.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>How an instance can be reached.</summary>
public enum Reachability
{
    /// <summary>Its agent was never heard.</summary>
    NeverConnected,
    /// <summary>Its agent is connected.</summary>
    Up,
    /// <summary>Its agent was connected; the link has gone, the session waits.</summary>
    LinkLost,
}

/// <summary>An instance at one moment.</summary>
/// <param name="Reachability">How it can be reached.</param>
/// <param name="State">What its agent said last that it does.</param>
/// <param name="Channel">The channel's details.</param>
public sealed record InstanceStatus(Reachability Reachability, StateWord State, ChannelStatus Channel);

/// <summary>One virtual machine, as its host sees it through the channel.</summary>
public sealed class Instance : IAsyncDisposable
{
    private volatile bool _wasUp;

    internal Instance(string name, ITransportEndpoint endpoint, InstanceOptions options)
    {
        (Name, EndpointUri, Options) = (name, endpoint.Uri, options);
        var services = new ServiceRegistry();
        if (options.Metadata is { } metadata)
        {
            services.Stream(ServiceMethods.MetadataRelay,
                async (_, stream, context) => await metadata.AcceptAsync(new ChannelByteStream(stream), context.CancellationToken).ConfigureAwait(false));
        }

        Channel = new Channel(PeerRole.Host, endpoint, services, options.Channel with { Guard = new InstanceGuard(name, options, TimeProvider.System) });
        Info = new InfoClient(this);
        Power = new PowerClient(this);
        Freeze = new FreezeClient(this);
        Time = new TimeClient(this);
        Storage = new StorageClient(this);
        Measure = new MeasureClient(this);
        Files = new FileClient(this);
        Exec = new ExecClient(this);
        Channel.SetState(StateWord.Ready);
        Channel.Start();
    }

    /// <summary>The manager's name for it.</summary>
    public string Name { get; }

    /// <summary>Where its channel is.</summary>
    public string EndpointUri { get; }

    /// <summary>Ping and what the guest says of itself.</summary>
    public InfoClient Info { get; }

    /// <summary>Shutdown, reboot, halt, suspends.</summary>
    public PowerClient Power { get; }

    /// <summary>File systems that stand still for a snapshot.</summary>
    public FreezeClient Freeze { get; }

    /// <summary>The guest's wall clock.</summary>
    public TimeClient Time { get; }

    /// <summary>Trim.</summary>
    public StorageClient Storage { get; }

    /// <summary>Throughput.</summary>
    public MeasureClient Measure { get; }

    /// <summary>Files, copied in and out.</summary>
    public FileClient Files { get; }

    /// <summary>Programs in the guest.</summary>
    public ExecClient Exec { get; }

    /// <summary>The channel itself, for services of one's own.</summary>
    public Channel Channel { get; }

    internal InstanceOptions Options { get; }

    /// <summary>How it is now.</summary>
    public InstanceStatus Status
    {
        get
        {
            var channel = Channel.Status;
            var isUp = channel.LinkState == LinkState.Up;
            _wasUp |= isUp || channel.SessionId is not null || channel.PeerHeartbeat is not null;
            var reachability = isUp ? Reachability.Up : _wasUp ? Reachability.LinkLost : Reachability.NeverConnected;
            return new InstanceStatus(reachability, channel.PeerHeartbeat?.State ?? StateWord.Unknown, channel);
        }
    }

    /// <summary>Events from now on.</summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken = default) => Channel.WatchAsync(cancellationToken);

    /// <summary>Waits until its agent is connected.</summary>
    public ValueTask WaitReadyAsync(CancellationToken cancellationToken = default) => Channel.WaitReadyAsync(cancellationToken);

    /// <summary>Cuts its link; the session resumes on the next one.</summary>
    public void DropLink(string reason) => Channel.DropLink(reason);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Channel.DisposeAsync();
}
