using System.Globalization;
using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Host.Info;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Measure;
using ChannelSdk.Host.Options;
using ChannelSdk.Host.Policy;
using ChannelSdk.Host.Power;
using ChannelSdk.Host.Qga;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Host.Storage;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Host.Time;
using ChannelSdk.Host.Watch;
using ChannelSdk.Host.Workers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host;

/// <summary>One virtual machine, as its host sees it through the channel.</summary>
public sealed class Instance : IAsyncDisposable
{
    private readonly InstanceTelemetry _telemetry;
    private readonly InstanceGuard _guard;
    private readonly StartPace _workerStarts;
    private readonly WorkerSource? _workers;
    private volatile InstanceLimits _limits;
    private volatile bool _wasUp;

    internal Instance(string name, ITransportEndpoint endpoint, InstanceOptions options, TimeProvider time, InstanceTelemetry telemetry)
    {
        options.Validate();
        (Name, EndpointUri, _telemetry) = (name, endpoint.Uri, telemetry);
        (_limits, _workerStarts) = (options.Limits, new StartPace(options.Limits.WorkerStarts, time));
        var services = new ServiceRegistry();
        options.Serve?.Invoke(services);
        if (options.Copy is { } copy)
        {
            InquiryService.Serve(services, copy, time);
        }

        _guard = new InstanceGuard(name, options.Policy, options.Audit, Alarm, telemetry, time) { SinkFailed = e => Channel.ReportFault("the audit sink failed", e) };
        Limits = options.Limits;
        var bounds = options.Channel with { Guard = _guard, Observer = telemetry };
        var ownQga = endpoint as QgaEndpoint;
        ownQga?.Bind(Alarm, time);
        _workers = options.Isolation == HostIsolation.Worker ? new WorkerSource(name, endpoint, options.Channel, options.Worker, _workerStarts) : null;
        var own = _workers is null ? new Channel(PeerRole.Host, endpoint, services, bounds, time) : WorkerChannel.Create(_workers, services, bounds, time);
        (Channel, QgaEndpoint)? fallback = null;
        if (options.QgaSocket is { } socket && ownQga is null)
        {
            var qga = QgaEndpoint.Create(socket);
            qga.Bind(Alarm, time);
            fallback = (new Channel(PeerRole.Host, qga, new ServiceRegistry(), bounds, time), qga);
            telemetry.Follow(fallback.Value.Item1);
        }

        telemetry.Attached(EndpointUri);
        telemetry.Follow(own);
        Connection = new AgentConnection(own, ownQga, fallback, options.Policy.HostMay, options.CallTimeout, options.QgaAfter, time, telemetry);
        Info = new InfoClient(Connection);
        Power = new PowerClient(Connection);
        Freeze = new FreezeClient(Connection);
        Snapshot = new SnapshotClient(Connection);
        Time = new TimeClient(Connection);
        Storage = new StorageClient(Connection);
        Measure = new MeasureClient(Connection);
        Files = new FileClient(Connection);
        Watch = new WatchClient(Connection);
        Exec = new ExecClient(Connection);

        void Alarm(string text)
        {
            telemetry.Alarmed(text);
            options.Alarm(text);
        }
    }

    internal AgentConnection Connection { get; }

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

    /// <summary>Rest for a snapshot, and what becomes of a guest after it.</summary>
    public SnapshotClient Snapshot { get; }

    /// <summary>The guest's wall clock.</summary>
    public TimeClient Time { get; }

    /// <summary>Trim.</summary>
    public StorageClient Storage { get; }

    /// <summary>Throughput.</summary>
    public MeasureClient Measure { get; }

    /// <summary>Files, copied in and out.</summary>
    public FileClient Files { get; }

    /// <summary>What changes in the guest.</summary>
    public WatchClient Watch { get; }

    /// <summary>Programs in the guest.</summary>
    public ExecClient Exec { get; }

    /// <summary>The channel itself, for services of one's own. Where qemu-ga may be used instead, it is the one in use.</summary>
    public Channel Channel => Connection.Channel;

    /// <summary>The agent in use.</summary>
    public AgentKind Agent => Connection.Agent;

    /// <summary>
    /// Raw commands of the QEMU guest agent; null where the instance was attached without one, or where
    /// <see cref="HostPolicy.HostMay"/> does not allow everything, as patterns of methods do not cover them.
    /// </summary>
    public QgaClient? Qga => Connection.Qga;

    /// <summary>What it may cost its host; a change holds from then on.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the text names it.</exception>
    public InstanceLimits Limits
    {
        get => _limits;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value.Validate();
            _telemetry.EventLines.PerSecond = value.EventLines;
            _guard.GuestLines.PerSecond = value.RefusalLines;
            if (value.WorkerStarts != _limits.WorkerStarts)
            {
                _workerStarts.Change(value.WorkerStarts);
            }

            _limits = value;
        }
    }

    /// <summary>How it is now.</summary>
    public InstanceStatus Status
    {
        get
        {
            var channel = Channel.Status;
            var isUp = channel.LinkState == LinkState.Up;
            _wasUp |= isUp || channel.SessionId is not null || channel.PeerHeartbeat is not null;
            var reachability = isUp ? Reachability.Up : _wasUp ? Reachability.LinkLost : Reachability.NeverConnected;
            return new InstanceStatus(reachability, channel.PeerHeartbeat?.State ?? StateWord.Unknown, channel) { Worker = _workers?.Status, Limits = CountLimits(channel.ReceivePauses) };
        }
    }

    /// <summary>Events from now on, of whichever agent is in use by then.</summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken = default) => Connection.WatchAsync(cancellationToken);

    /// <summary>Waits until its agent is connected; where it may be qemu-ga, our own is preferred.</summary>
    /// <exception cref="OperationCanceledException">The token fired; the text tells why there was no agent, and the inner exception is the last error.</exception>
    /// <exception cref="ChannelException"><see cref="ChannelError.SessionClosed"/>: the instance was detached.</exception>
    public async Task WaitReadyAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await Connection.WaitReadyAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new TaskCanceledException($"{Name}'s agent was not there when the wait was cancelled: {WhyNotReady()}", Channel.Status.LastError, cancellationToken);
        }
    }

    /// <summary>As <see cref="WaitReadyAsync(CancellationToken)"/>, with a limit.</summary>
    /// <param name="timeout">How long; more than 0, at most 24 days.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.DeadlineExceeded"/>: there was none in time; the text tells why, and the inner exception is the last error of endpoint, link or session.
    /// <see cref="ChannelError.SessionClosed"/>: the instance was detached.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    public async Task WaitReadyAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        OptionCheck.Range(timeout, TimeSpan.FromTicks(1), TimeSpan.FromDays(24));
        using var limit = new TimeLimit(timeout, Connection.Time, cancellationToken);
        try
        {
            await Connection.WaitReadyAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry,
                string.Create(CultureInfo.InvariantCulture, $"{Name}'s agent was not there within {timeout.TotalSeconds:0.###} s: {WhyNotReady()}"), Channel.Status.LastError);
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
        await Connection.DisposeAsync().ConfigureAwait(false);
        await _telemetry.DetachedAsync().ConfigureAwait(false);
    }

    /// <summary>For the metrics.</summary>
    internal InstanceFigures Figures
    {
        get
        {
            var way = Status.Reachability switch
            {
                Reachability.Up => InstanceFigures.Up,
                Reachability.LinkLost => InstanceFigures.LinkLost,
                _ => InstanceFigures.NeverConnected,
            };
            var all = Connection.Channels.Select(static channel => channel.Status).ToArray();
            return new InstanceFigures(Name, way, all.Sum(static s => s.BytesIn), all.Sum(static s => s.BytesOut), CountLimits(all.Sum(static s => s.ReceivePauses)), all.Sum(static s => s.EventsDropped));
        }
    }

    private LimitCounts CountLimits(long receivePauses) =>
        new(receivePauses, _telemetry.EventLines.Dropped, _guard.GuestLines.Dropped, _workerStarts.Delayed, _workers?.Throttles ?? 0);

    private string WhyNotReady() => Channel.Status is { LastError: { } error }
        ? error.Message
        : "the transport is there and nobody answers; the guest may still boot, or its agent may not run";
}
