using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Services;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The running agent: the channel to the host, the control socket, and the way from start to stop.</summary>
internal sealed class AgentDaemon : IAsyncDisposable
{
    // A host that does not read must not keep the agent from ending.
    private static readonly TimeSpan s_farewellTime = TimeSpan.FromSeconds(2);

    private readonly Func<AgentConfig> _load;
    private readonly AgentLog _log;
    private readonly TaskCompletionSource _stopAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel _channel;
    private readonly ControlSocket _control;
    private readonly MemoryTrim _trim;
    private volatile AgentConfig _config;
    private volatile StateWord _state = StateWord.Starting;

    /// <summary>Builds everything; nothing runs yet.</summary>
    /// <param name="config">What holds from the start.</param>
    /// <param name="load">Reads the configuration again, with the same flags.</param>
    /// <param name="platform">The system behind the power service.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">All clocks.</param>
    /// <exception cref="ChannelException">Code 504 for a wrong endpoint.</exception>
    public AgentDaemon(AgentConfig config, Func<AgentConfig> load, IPowerPlatform platform, AgentLog log, TimeProvider time)
    {
        _config = config;
        _load = load;
        _log = log;
        _trim = MemoryTrim.OfProcess(time);
        var facts = new GuestFacts(AgentVersion.Text, AgentVersion.Protocol, time);
        var power = new PowerService(() => _config, platform, SetState, SayGoodbyeAsync, log, time);
        var info = new InfoService(facts, AllowedMethods, time);
        var policy = new ConfigAccessPolicy(() => _config);
        ServiceRegistry services = HostServices.Register(info, power, new MeasureService(() => _config, time),
            new FilesService(policy, log, time), new ExecService(policy, log));
        _channel = new Channel(PeerRole.Guest, TransportEndpoints.Create(config.Endpoint), services, GuestOptions.For(config), time);
        var status = new StatusService(facts, () => _config, () => _state, () => _channel.Status, AllowedMethods);
        _control = new ControlSocket(config.ControlSocket, status, log, time);
    }

    /// <summary>Runs until <see cref="Stop"/>.</summary>
    public async Task RunAsync()
    {
        _control.Start();
        var watch = new CancellationTokenSource();
        Task watching = ChannelEventLog.RunAsync(_channel, _log, watch.Token);
        _channel.Start();
        SetState(StateWord.Ready);
        _log.Info($"version {AgentVersion.Text} ready, endpoint {_config.Endpoint}");
        await _stopAsked.Task.ConfigureAwait(false);
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
        await SayGoodbyeAsync().ConfigureAwait(false);
        await _control.DisposeAsync().ConfigureAwait(false);
        _trim.Dispose();
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

    /// <summary>Reads the configuration again; with an error in it the present one stays.</summary>
    public void Reload()
    {
        AgentConfig fresh;
        try
        {
            fresh = _load();
        }
        catch (ChannelException e)
        {
            foreach (string line in e.Message.Split('\n'))
            {
                _log.Error(line);
            }
            _log.Error("the configuration was not taken; the one before stays in force");
            return;
        }
        AgentConfig old = _config;
        bool needsRestart = fresh.Endpoint != old.Endpoint || fresh.ControlSocket != old.ControlSocket
            || fresh.HeartbeatInterval != old.HeartbeatInterval;
        // What the running channels were made with must still be what status shows.
        _config = fresh with
        {
            Endpoint = old.Endpoint, ControlSocket = old.ControlSocket, HeartbeatInterval = old.HeartbeatInterval,
        };
        (_log.Level, _log.Rate) = (fresh.LogLevel, fresh.LogRate);
        _log.Info("the configuration was read again");
        if (needsRestart)
        {
            _log.Warning("endpoint, control_socket and heartbeat_interval take effect at the next start");
        }
    }

    private IEnumerable<string> AllowedMethods() => HostServices.Allowed(_config);

    private void SetState(StateWord state)
    {
        _state = state;
        _channel.SetState(state);
    }

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
