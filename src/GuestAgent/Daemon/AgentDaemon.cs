using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Qga;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.GuestAgent.Services;
using ChannelSdk.GuestAgent.Xen;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The running agent: the channel to the host, the control socket, and the way from start to stop.</summary>
internal sealed class AgentDaemon : IAsyncDisposable
{
    // A host that does not read must not keep the agent from ending.
    private static readonly TimeSpan s_farewellTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_installEndTime = TimeSpan.FromSeconds(10);

    private readonly Func<AgentConfig> _load;
    private readonly AgentLog _log;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _stopAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel _channel;
    private readonly ControlSocket _control;
    private readonly MetadataRelay _relay;
    private readonly QgaCommands _qgaCommands;
    private readonly QgaFace _qga;
    private readonly ShutdownNode _shutdown;
    private readonly FreezeService _freeze;
    private readonly InstallService _install;
    private readonly AgentPolicy _policy;
    private readonly ServiceGate _gate;
    private readonly Func<AgentConfig, PolicyRules> _loadPolicy;
    private volatile AgentConfig _config;
    private volatile bool _isReloadDue;
    private readonly Lock _stateGate = new();
    private StateWord _state = StateWord.Starting;
    private DateTimeOffset? _stateUntil;
    private ushort? _installing;

    /// <summary>Builds everything; nothing runs yet.</summary>
    /// <param name="config">What holds from the start.</param>
    /// <param name="load">Reads the configuration again, with the same flags.</param>
    /// <param name="system">The system behind the services.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">All clocks.</param>
    /// <exception cref="ChannelException">Code 504 for a wrong endpoint, 600 for a wrong policy.</exception>
    public AgentDaemon(AgentConfig config, Func<AgentConfig> load, GuestSystem system, AgentLog log, TimeProvider time)
    {
        _config = config;
        _load = load;
        (_log, _time) = (log, time);
        var facts = new GuestFacts(AgentVersion.Text, AgentVersion.Protocol, time, system.FileSystems);
        var services = new ServiceRegistry();
        _policy = new AgentPolicy(new PolicyRules(), new AuditLog(log));
        _gate = new ServiceGate(services, _policy);
        var power = new PowerService(system.Power, state => SetState(state), SayGoodbyeAsync, log, time);
        var info = new InfoService(facts, () => _gate.Allowed, () => _policy.Current, time);
        var run = new FreezeRun(system.Freeze, system.Marker, () => new HookFolder(_config.FreezeHooks, _config.FreezeHookTimeout), log);
        _freeze = new FreezeService(new FreezeOptions(() => _config.FreezeMaxLease), run, UpSession, OnFreezeState, log, time);
        _install = new InstallService(system.RunFolder, OnInstall, log);
        var clock = new TimeService(system.SetClock, time);
        var trim = new TrimService(system.Freeze);
        var exec = new ExecService(_policy, () => _config.MaxPrograms, log, UpSession);
        HostServices.Register(_gate, () => _config, info, power, new MeasureService(time), _freeze, clock, trim,
            new FilesService(_policy, log, time), exec, _install, new OverlayService(_install, () => _config.OverlayLimit, log));
        _policy.Current = LoadPolicy(config, services);
        _qgaCommands = new QgaCommands(new QgaServices(_policy, power, _freeze, clock, trim, exec, system.FileSystems), _gate, () => _config);
        _qgaCommands.Check(config.QgaCommands);
        _qga = new QgaFace(config.Qga, _qgaCommands, () => new QgaClient(_policy, _gate, exec, time), log, time);
        _shutdown = new ShutdownNode(system.IsXen, power, _gate, log);
        _loadPolicy = fresh => LoadPolicy(fresh, services);
        _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create(config.Endpoint), services, GuestOptions.For(config), time);
        _relay = new MetadataRelay(_channel, log);
        var status = new StatusService(facts, () => _config, () => Shown, () => _channel.Status, () => _gate.Allowed);
        _control = new ControlSocket(config.ControlSocket, status, log, time);
    }

    /// <summary>Runs until <see cref="Stop"/>.</summary>
    /// <param name="hasThawed">Whether a predecessor was found to have left file systems frozen, so that the thaw hooks are due.</param>
    public async Task RunAsync(bool hasThawed = false)
    {
        if (hasThawed)
        {
            await Task.Run(_freeze.FinishRecovery).ConfigureAwait(false);
        }
        if (_config.AllowInstall)
        {
            await _install.RemoveLeftoversAsync().ConfigureAwait(false);
        }
        // First, as its clients measure how soon it answers.
        _qga.Start();
        _control.Start();
        _shutdown.Start();
        var watch = new CancellationTokenSource();
        Task watching = ChannelEventLog.RunAsync(_channel, _log, watch.Token);
        _channel.Start();
        if (_config.MetadataRelay.PlaceFor(_config.Endpoint, LocalAddress.HasNetwork()) is { } place)
        {
            _relay.Start(place.Address, place.Port);
        }
        using var trim = MemoryTrim.OfProcess(_time);
        SetState(StateWord.Ready);
        _log.Info($"version {AgentVersion.Text} ready, endpoint {_config.Endpoint}");
        await _stopAsked.Task.ConfigureAwait(false);
        // Nobody would thaw after the agent.
        await _freeze.EndAsync("the agent stops").ConfigureAwait(false);
        SetState(StateWord.Stopping);
        await DisposeAsync().ConfigureAwait(false);
        await watch.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        watch.Dispose();
        _log.Info("stopped");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _relay.DisposeAsync().ConfigureAwait(false);
        await _qga.DisposeAsync().ConfigureAwait(false);
        await _shutdown.DisposeAsync().ConfigureAwait(false);
        await SayGoodbyeAsync().ConfigureAwait(false);
        // An operation ends with its stream, which has just ended.
        await Task.WhenAny(_install.WaitIdleAsync(), Task.Delay(s_installEndTime)).ConfigureAwait(false);
        await _control.DisposeAsync().ConfigureAwait(false);
        _freeze.Dispose();
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

    /// <summary>Reads configuration and policy again; with an error in one of them both stay as they are.</summary>
    public void Reload()
    {
        if (_freeze.Restriction is not null)
        {
            _log.Info("the configuration is read again once the guest is thawed");
            _isReloadDue = true;
            return;
        }
        _isReloadDue = false;
        AgentConfig fresh;
        PolicyRules rules;
        try
        {
            fresh = _load();
            rules = _loadPolicy(fresh);
            _qgaCommands.Check(fresh.QgaCommands);
        }
        catch (ChannelException e)
        {
            foreach (string line in e.Message.Split('\n'))
            {
                _log.Error(line);
            }
            _log.Error("configuration and policy were not taken; those before stay in force");
            return;
        }
        AgentConfig old = _config;
        bool needsRestart = fresh.Endpoint != old.Endpoint || fresh.ControlSocket != old.ControlSocket
            || fresh.HeartbeatInterval != old.HeartbeatInterval || fresh.MetadataRelay != old.MetadataRelay || fresh.Qga != old.Qga;
        // What the running channels were made with must still be what status shows.
        _config = fresh with
        {
            Endpoint = old.Endpoint, ControlSocket = old.ControlSocket, HeartbeatInterval = old.HeartbeatInterval, MetadataRelay = old.MetadataRelay,
            Qga = old.Qga,
        };
        _policy.Current = rules;
        (_log.Level, _log.Rate) = (fresh.LogLevel, fresh.LogRate);
        _log.Info("configuration and policy were read again");
        if (needsRestart)
        {
            _log.Warning("endpoint, control_socket, metadata_relay, qga and heartbeat_interval take effect at the next start");
        }
    }

    private static PolicyRules LoadPolicy(AgentConfig config, ServiceRegistry services) =>
        PolicyReader.Load(config.PolicyFile, config.PolicyFile != AgentConfig.DefaultPolicyFile, services.Methods);

    /// <summary>An installation is what the guest does when nothing else is to be said.</summary>
    private StateWord Shown => _state == StateWord.Ready && _installing is not null ? StateWord.Installing : _state;

    private void SetState(StateWord state, DateTimeOffset? until = null)
    {
        lock (_stateGate)
        {
            (_state, _stateUntil) = (state, until);
            PublishState();
        }
    }

    private void OnInstall(ushort? percent)
    {
        lock (_stateGate)
        {
            _installing = percent;
            PublishState();
        }
    }

    private void PublishState() => _channel.SetState(Shown, _stateUntil, Shown == StateWord.Installing ? _installing ?? 0 : (ushort)0);

    private void OnFreezeState(StateWord state, DateTimeOffset? until)
    {
        SetState(state, until);
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
