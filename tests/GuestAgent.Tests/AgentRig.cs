using System.Collections.Concurrent;
using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Status;
using ChannelSdk.Host;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Faulty;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A whole agent and the host's library in one process, over a Unix socket, with a folder for each side's files.</summary>
internal sealed class AgentRig : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("agent-test-");
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(120));
    private readonly ChannelHost _host = new();
    private readonly AgentLog _log;
    private readonly string _policy;
    private readonly bool _install;
    private AgentDaemon? _daemon;
    private Task _running = Task.CompletedTask;

    public AgentRig(FaultPlan? faults = null, Func<AgentRig, string>? policy = null, bool install = true)
    {
        (Guest, Local) = (_root.CreateSubdirectory("guest").FullName, _root.CreateSubdirectory("local").FullName);
        _log = new AgentLog(Lines.Enqueue, TimeProvider.System, withTime: false) { Rate = 1000 };
        var config = new AgentConfig
        {
            Endpoint = $"unix-listen://{_root.FullName}/host.sock",
            ControlSocket = null,
            MaxPrograms = 8,
            LogRate = 1000,
        };
        _policy = policy?.Invoke(this) ?? Files(Guest, Guest) + AnyCommand;
        _install = install;
        Config = config;
        StartAgent();
        var endpoint = TransportEndpoints.Create($"unix://{_root.FullName}/host.sock");
        var soon = new InstanceOptions { Channel = new ChannelOptions { RetryMin = TimeSpan.FromMilliseconds(10), RetryMax = TimeSpan.FromMilliseconds(50) } };
        Instance = _host.Attach("vm1", faults is null ? endpoint : new FaultyEndpoint(endpoint, faults), soon);
    }

    /// <summary>A policy that lets any program be run with any variable.</summary>
    public const string AnyCommand = "[[exec]]\nprogram = \"*\"\narguments = [\"...\"]\nenvironment = [\"*\"]\n";

    public AgentConfig Config { get; }

    public Instance Instance { get; }

    /// <summary>The folder that the host may read and write in the guest.</summary>
    public string Guest { get; }

    /// <summary>Where the agent keeps what belongs to its operations.</summary>
    public string RunFolder => $"{_root.FullName}/run";

    /// <summary>The host's own folder.</summary>
    public string Local { get; }

    /// <summary>Where a host finds the agent; one at a time.</summary>
    public string Uri => Config.Endpoint.Replace("unix-listen:", "unix:", StringComparison.Ordinal);

    public ConcurrentQueue<string> Lines { get; } = [];

    public CancellationToken Soon => _timeout.Token;

    /// <summary>A configuration with the policy of a text.</summary>
    public static AgentConfig WithPolicy(AgentConfig config, string policy, AgentNames names, bool install = false)
    {
        var whole = ConfigReader.Parse(Encoding.UTF8.GetBytes(policy), "agent.toml", config, names);
        return whole with { Policy = whole.Policy with { AllowInstall = install } };
    }

    /// <summary>A policy of folders.</summary>
    public static string Files(string read, string? write = null) =>
        $"[files]\nread = [\"{read}\"]\nwrite = [{(write is null ? "" : $"\"{write}\"")}]\n";

    /// <summary>Ends the agent; its session goes with it.</summary>
    public async Task StopAgentAsync()
    {
        _daemon!.Stop("the test");
        await _running;
    }

    public void StartAgent()
    {
        _daemon = new AgentDaemon(names => WithPolicy(Config, _policy, names, _install),
            new GuestSystem(new FakePowerPlatform(), new FakeFreezePlatform(), new FreezeMarker($"{_root.FullName}/frozen"), static _ => 0) { RunFolder = RunFolder, Repair = new FakeRepair() }, _log, TimeProvider.System);
        _running = _daemon.RunAsync();
    }

    /// <summary>Leaves the agent to another host.</summary>
    public async Task DetachAsync() => await _host.DetachAsync(Instance.Name);

    /// <summary>A file of the guest's folder with random content.</summary>
    public string NewFile(string name, int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        var path = Path.Combine(Guest, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await StopAgentAsync();
        _timeout.Dispose();
        await RawFolder.RemoveAsync(_root.FullName);
    }
}
