using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Host.Launch;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>"Launches" appliances whose agent runs in this process, and their scripts on this machine.</summary>
internal sealed class AgentLauncher : IInstanceLauncher
{
    public Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default) =>
        Task.FromResult<ILaunchedInstance>(new Launched());

    private sealed class Launched : ILaunchedInstance
    {
        // Paths below the operation's folder are too long for a socket.
        private readonly TestDirectory _directory = new();
        private readonly AgentDaemon _daemon;
        private readonly Task _running;

        public Launched()
        {
            var config = new AgentConfig { Endpoint = $"unix-listen://{_directory["host.sock"]}", ControlSocket = null };
            var system = new GuestSystem(new FakePowerPlatform(), new FakeFreezePlatform(), new FreezeMarker(_directory["frozen"]), static _ => 0) { RunFolder = _directory["run"], Repair = new FakeRepair() };
            _daemon = new AgentDaemon(names => AgentRig.WithPolicy(config, "", names, install: true), system, new AgentLog(static _ => { }, TimeProvider.System, withTime: false), TimeProvider.System);
            _running = _daemon.RunAsync();
            Endpoint = TransportEndpoints.Create($"unix://{_directory["host.sock"]}");
        }

        public ITransportEndpoint Endpoint { get; }

        public IReadOnlyList<string> DiskDevices => [];

        public Task Exited => _running;

        public Task KillAsync(TimeSpan within)
        {
            _daemon.Stop("the operation is over");
            return _running.WaitAsync(within);
        }

        public async ValueTask DisposeAsync()
        {
            await _running;
            _directory.Dispose();
        }
    }
}
