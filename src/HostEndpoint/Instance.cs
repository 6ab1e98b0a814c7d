using System.Globalization;
using ChannelSdk.HostEndpoint.Policy;
using ChannelSdk.HostEndpoint.Qga;
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
    /// within the call, at most ten times a second for what a guest does: return at once. What it throws goes to <see cref="Alarm"/>, at
    /// most once a minute, and to the channel's events; the call goes on.
    /// </summary>
    public Action<AuditRecord>? Audit { get; init; }

    /// <summary>
    /// Path of the chardev socket of <c>org.qemu.guest_agent.0</c>, for guests that may have only the QEMU guest agent: it is used
    /// while no agent of our own was ever heard, once <see cref="Instance.WaitReadyAsync"/> has waited for that in vain. Null: it is
    /// not looked for.
    /// </summary>
    public string? QgaSocket { get; init; }

    /// <summary>How long our own agent is waited for before qemu-ga is used.</summary>
    public TimeSpan QgaAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Told, on any thread, what an operator must know at once: a guest that was frozen by qemu-ga and cannot be thawed. By
    /// default nobody is told; a host manager should give it a place.
    /// </summary>
    public Action<string> Alarm { get; init; } = static _ => { };

    /// <summary>
    /// Deadline of a call that gives none, 1 ms to 7 days. For what takes its own time (programs, copies, lists, transfers, trim, freeze):
    /// until the agent was reached, or has begun with it where it says so. An agent that is killed afterwards and stays away fails
    /// it once the session has waited for <see cref="SessionOptions.ResumeTimeout"/>, ten minutes by default; a copy then waits for
    /// <see cref="FileCopyOptions.ResumeTimeout"/> too.
    /// </summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ChannelException">Code BadConfiguration; the text names the option and what is allowed.</exception>
    public void Validate()
    {
        RequireSet(nameof(Channel), Channel);
        RequireSet(nameof(Policy), Policy);
        RequireSet(nameof(Alarm), Alarm);
        if (QgaSocket is { } socket && (socket.Length == 0 || socket.Contains('\0', StringComparison.Ordinal)))
        {
            throw Wrong($"{nameof(QgaSocket)} is no path; a path or null are allowed");
        }

        Channel.Validate();
        Policy.Validate();
        Check(nameof(CallTimeout), CallTimeout, TimeSpan.FromMilliseconds(1));
        Check(nameof(QgaAfter), QgaAfter, TimeSpan.Zero);

        static void Check(string name, TimeSpan value, TimeSpan min)
        {
            if (value < min || value > TimeSpan.FromDays(7))
            {
                throw Wrong($"{name} is {value}; allowed are {min} to 7 days");
            }
        }

        static void RequireSet(string name, object? value)
        {
            if (value is null)
            {
                throw Wrong($"{name} is null");
            }
        }

        static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
    }
}

/// <summary>Which agent an instance is reached by.</summary>
public enum AgentKind
{
    /// <summary>Our own.</summary>
    ChannelAgent,
    /// <summary>The QEMU guest agent, which has fewer calls and keeps no freeze lease of its own.</summary>
    QemuGuestAgent,
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
    private readonly Channel _own;
    private readonly QgaEndpoint? _qga;
    private readonly Channel? _fallback;
    private volatile bool _wasUp;
    private volatile bool _hasOwn;
    private volatile bool _usesFallback;
    private int _isFallbackStarted;

    internal Instance(string name, ITransportEndpoint endpoint, InstanceOptions options)
    {
        options.Validate();
        (Name, EndpointUri, Options) = (name, endpoint.Uri, options);
        var services = new ServiceRegistry();
        if (options.Metadata is { } metadata)
        {
            services.Stream(ServiceMethods.MetadataRelay,
                async (_, stream, context) => await metadata.AcceptAsync(new ChannelByteStream(stream), context.CancellationToken).ConfigureAwait(false));
        }

        var guard = new InstanceGuard(name, options, TimeProvider.System) { SinkFailed = e => Channel.ReportFault("the audit sink failed", e) };
        var bounds = options.Channel with { Guard = guard };
        _own = new Channel(PeerRole.Host, endpoint, services, bounds);
        _qga = endpoint as QgaEndpoint;
        if (options.QgaSocket is { } socket && _qga is null)
        {
            _qga = QgaEndpoint.Create(socket, options.Alarm);
            _fallback = new Channel(PeerRole.Host, _qga, new ServiceRegistry(), bounds);
        }

        Info = new InfoClient(this);
        Power = new PowerClient(this);
        Freeze = new FreezeClient(this);
        Time = new TimeClient(this);
        Storage = new StorageClient(this);
        Measure = new MeasureClient(this);
        Files = new FileClient(this);
        Exec = new ExecClient(this);
        _own.SetState(StateWord.Ready);
        _own.Start();
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

    /// <summary>The channel itself, for services of one's own. Where qemu-ga may be used instead, it is the one in use.</summary>
    public Channel Channel => UsesFallback ? _fallback! : _own;

    /// <summary>The agent in use.</summary>
    public AgentKind Agent => _qga is not null && (_fallback is null || UsesFallback) ? AgentKind.QemuGuestAgent : AgentKind.ChannelAgent;

    /// <summary>
    /// Raw commands of the QEMU guest agent; null where the instance was attached without one, or where
    /// <see cref="HostPolicy.HostMay"/> does not allow everything, as no pattern of methods is about them.
    /// </summary>
    public QgaClient? Qga => HostPolicy.Allows(Options.Policy.HostMay, "*") ? _qga?.Client : null;

    /// <summary>Once our own agent was heard it is the one; a call to it waits until it is back.</summary>
    private bool UsesFallback
    {
        get
        {
            _hasOwn |= _usesFallback && _own.Status.SessionId is not null;
            return _usesFallback && !_hasOwn;
        }
    }

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

    /// <summary>Waits until its agent is connected; where it may be qemu-ga, our own is preferred.</summary>
    public async ValueTask WaitReadyAsync(CancellationToken cancellationToken = default)
    {
        if (_fallback is null || UsesFallback)
        {
            await Channel.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        // What is still waited for when one of them is there ends with this method.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var own = _own.WaitReadyAsync(ended.Token).AsTask();
        var fallback = Task.CompletedTask;
        try
        {
            await Task.WhenAny(own, Task.Delay(Options.QgaAfter, ended.Token)).ConfigureAwait(false);
            if (!own.IsCompleted)
            {
                StartFallback(_fallback);
                fallback = _fallback.WaitReadyAsync(ended.Token).AsTask();
                await Task.WhenAny(own, fallback).ConfigureAwait(false);
                _usesFallback = !own.IsCompleted;
            }

            await (_usesFallback ? fallback : own).ConfigureAwait(false);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await own.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await fallback.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Waits for the agent, as long as a call may take, for calls whose own time has another limit or none: without a link they
    /// would wait for one for ever.
    /// </summary>
    /// <param name="method">What is to be called; what the host's own policy refuses is not waited for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">DeadlineExceeded: there was none in time; nothing was sent.</exception>
    internal async ValueTask ReachAsync(string method, CancellationToken cancellationToken)
    {
        if (!HostPolicy.Allows(Options.Policy.HostMay, method))
        {
            return;
        }

        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        soon.CancelAfter(Options.CallTimeout);
        try
        {
            await Channel.WaitReadyAsync(soon.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry,
                string.Create(CultureInfo.InvariantCulture, $"the guest's agent was not there within {Options.CallTimeout.TotalSeconds:0.###} s; nothing was asked of it"));
        }
    }

    // Not before it is needed: others may want the socket, which takes one client at a time.
    private void StartFallback(Channel fallback)
    {
        if (Interlocked.Exchange(ref _isFallbackStarted, 1) == 0)
        {
            fallback.SetState(StateWord.Ready);
            fallback.Start();
        }
    }

    /// <summary>Cuts its link; the session resumes on the next one.</summary>
    public void DropLink(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        Channel.DropLink(reason);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_fallback is not null)
        {
            await _fallback.DisposeAsync().ConfigureAwait(false);
        }

        await _own.DisposeAsync().ConfigureAwait(false);
    }
}
