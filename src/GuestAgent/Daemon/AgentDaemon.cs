using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Measure;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Qga;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.GuestAgent.Repair.Hints;
using ChannelSdk.GuestAgent.Repair.Steps;
using ChannelSdk.GuestAgent.Snapshot;
using ChannelSdk.GuestAgent.Status;
using ChannelSdk.GuestAgent.Storage;
using ChannelSdk.GuestAgent.Time;
using ChannelSdk.GuestAgent.Watch;
using ChannelSdk.GuestAgent.Xen;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The running agent: the channel to the host, the control socket, and the way from start to stop.</summary>
internal sealed class AgentDaemon : IAsyncDisposable
{
    // A host that does not read must not keep the agent from ending.
    private static readonly TimeSpan s_farewellTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_installEndTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_inquiryTime = TimeSpan.FromSeconds(10);

    private readonly AgentLog _log;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _stopAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel _channel;
    private readonly ControlSocket _control;
    private readonly MetadataRelay _relay;
    private readonly QgaServer _qga;
    private readonly ShutdownNode _shutdown;
    private readonly FreezeControl _freeze;
    private readonly SnapshotStates _states;
    private readonly SnapshotService _snapshot;
    private readonly InstallService _install;
    private readonly AgentPolicy _policy;
    private readonly ServiceGate _gate;
    private readonly GenerationPage? _generation;
    private readonly HintWatch _hints;
    private readonly AgentSettings _settings;
    private readonly AgentState _state;
    private volatile bool _isReloadDue;

    /// <summary>Builds everything; nothing runs yet.</summary>
    /// <param name="load">Reads the configuration, at the start and at each reload, with the same flags.</param>
    /// <param name="system">The system behind the services.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">All clocks.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadEndpointUri"/> for a wrong endpoint, <see cref="ChannelError.BadConfiguration"/> for a wrong configuration.</exception>
    public AgentDaemon(Func<AgentNames, AgentConfig> load, GuestSystem system, AgentLog log, TimeProvider time)
    {
        (_log, _time, _generation) = (log, time, system.Generation);
        var facts = new GuestFacts(AgentVersion.Text, AgentVersion.Protocol, time, system.FileSystems);
        var services = new ServiceRegistry();
        _policy = new AgentPolicy(new PolicyRules(), new AuditLog(log));
        _settings = new AgentSettings(_policy, log);
        _state = new AgentState(() => _channel!);
        _gate = new ServiceGate(services, _policy, new ServicePermissions(() => _policy.Current).WhyNot);
        var power = new PowerService(system.Power, state => _state.Set(state), SayGoodbyeAsync, log, time);
        var info = new InfoService(facts, () => _gate.Allowed, () => _policy.Current, time);
        var run = new FreezeRun(
            system.Freeze, system.Marker, () => new HookFolder(_settings.Current.FreezeHooks, _settings.Current.FreezeHookTimeout), system.Gate, system.Inhibitor, log);
        _states = new SnapshotStates(OnState);
        _freeze = new FreezeControl(run, UpSession, _states.Show, log, time);
        var bounds = new FreezeOptions(() => _settings.Current.FreezeMaxLease) { MayGate = () => _settings.Current.SnapshotGate };
        var freeze = new FreezeService(bounds, _freeze);
        _snapshot = new SnapshotService(bounds, _freeze, _states, system.Repair, system.SetClock, log);
        system.Repair.Hooks = () => new HookFolder(_settings.Current.SnapshotHooks, _settings.Current.FreezeHookTimeout);
        _hints = new HintWatch(system.Hints, KernelPool.Refresh, InquireAsync, request => _snapshot.CompleteAsync(request).AsTask(), () => system.Repair.Generation, log, time);
        _install = new InstallService(system.RunFolder, _state.SetInstalling, () => ProxyRelay.Start(_channel!, log), log);
        var clock = new TimeService(system.SetClock, time);
        var trim = new TrimService(system.Freeze);
        var exec = new ExecService(_policy, () => _settings.Current.MaxPrograms, log, UpSession);
        foreach (var service in (ReadOnlySpan<IAgentService>)
        [
            info,
            new WatchService(() => _state.Shown),
            power,
            freeze,
            _snapshot,
            clock,
            trim,
            new MeasureService(time),
            new FilesService(_policy, log, time),
            exec,
            _install,
            new OverlayService(_install, () => _settings.Current.OverlayLimit, log),
        ])
        {
            service.Register(_gate);
        }

        var commands = new QgaCommands(new QgaCommandServices(_policy, power, freeze, clock, trim, exec, system.FileSystems), _gate, () => _settings.Current);
        // What the file may name is known once all that serves it is there.
        var config = _settings.Read(() => load(new AgentNames(services.Methods, commands.Names)));
        _qga = new QgaServer(config.Qga, commands, () => new QgaClientSession(_policy, _gate, exec, time), log, time);
        _shutdown = new ShutdownNode(system.IsXen, power, _gate, log);
        _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create(config.Endpoint), services, GuestOptions.For(config, _gate), time);
        _relay = new MetadataRelay(_channel, log);
        var status = new StatusService(facts, () => _settings.Current, () => _state.Shown, () => _channel.Status, () => _gate.Allowed, () => system.Generation?.Read() ?? []);
        _control = new ControlSocket(config.ControlSocket, status, log, time);
    }

    /// <summary>Runs until <see cref="Stop"/>.</summary>
    /// <param name="left">How much of the lease of a gate that a predecessor left shut is left; null if it left nothing frozen.</param>
    public async Task RunAsync(TimeSpan? left = null)
    {
        _snapshot.Recover();
        if (left is { } rest)
        {
            await Task.Run(() => _freeze.Recover(rest)).ConfigureAwait(false);
        }

        if (_policy.Current.AllowInstall)
        {
            await _install.RemoveLeftoversAsync().ConfigureAwait(false);
        }

        ShowGeneration();
        // First, as its clients measure how soon it answers.
        _qga.Start();
        _control.Start();
        _shutdown.Start();
        var watch = new CancellationTokenSource();
        var watching = ChannelEventLog.RunAsync(_channel, _log, () => _hints.Notice(HintWatch.Session), watch.Token);
        _channel.Start();
        _hints.Start();
        if (_settings.Current.MetadataRelay.PlaceFor(_settings.Current.Endpoint, LocalAddress.HasNetwork()) is { } place)
        {
            _relay.Start(place.Address, place.Port);
        }

        using var trim = MemoryTrim.OfProcess(_time);
        _states.Show(StateWord.Ready, null);
        _log.Info($"version {AgentVersion.Text} ready, endpoint {_settings.Current.Endpoint}");
        await _stopAsked.Task.ConfigureAwait(false);
        _snapshot.Stop();
        // Without the agent the guest would stay frozen.
        await _freeze.EndAsync("the agent stops").ConfigureAwait(false);
        _state.Set(StateWord.Stopping);
        await DisposeAsync().ConfigureAwait(false);
        await watch.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        watch.Dispose();
        _log.Info("stopped");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _hints.Dispose();
        await _relay.DisposeAsync().ConfigureAwait(false);
        await _qga.DisposeAsync().ConfigureAwait(false);
        await _shutdown.DisposeAsync().ConfigureAwait(false);
        await SayGoodbyeAsync().ConfigureAwait(false);
        // An operation ends with its stream, which has just ended.
        await Task.WhenAny(_install.WaitIdleAsync(), Task.Delay(s_installEndTime)).ConfigureAwait(false);
        await _control.DisposeAsync().ConfigureAwait(false);
        _freeze.Dispose();
        _snapshot.Dispose();
    }

    /// <summary>Asks the daemon to end; callable from any thread, more than once.</summary>
    public void Stop(string why)
    {
        if (!_stopAsked.Task.IsCompleted)
        {
            _log.Info($"stopping: {why}");
            _stopAsked.TrySetResult();
        }
    }

    /// <summary>Reads settings and policy again; with an error in the file all of them stay as they are.</summary>
    public void Reload()
    {
        if (_freeze.Restriction is not null)
        {
            _log.Info("the configuration is read again once the guest is thawed");
            _isReloadDue = true;
            return;
        }

        _isReloadDue = false;
        _settings.ReadAgain();
    }

    private Task<InquireReply> InquireAsync(InquireRequest request) =>
        _channel.CallAsync(SnapshotMethods.Inquire, request, new CallOptions(s_inquiryTime)).AsTask();

    private void ShowGeneration()
    {
        try
        {
            _generation?.Ensure();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.Warning($"programs cannot see the generation at {_generation!.Path}: {FileFault.Describe(e)}");
        }
    }

    private void OnState(StateWord state, DateTimeOffset? until)
    {
        _state.Set(state, until);
        if (state == StateWord.Ready && _isReloadDue)
        {
            Reload();
        }
    }

    private UInt128? UpSession() => _channel.Status is { LinkState: LinkState.Up, SessionId: { } id } ? id : null;

    private async Task SayGoodbyeAsync()
    {
        try
        {
            await _channel.DisposeAsync().AsTask().WaitAsync(s_farewellTime).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _log.Warning("the host did not take the goodbye in time");
        }
    }
}
