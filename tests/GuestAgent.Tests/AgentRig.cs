using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.HostEndpoint;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;
using ChannelSdk.Transports.Faulty;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A whole agent and the host's library in one process, over a Unix socket, with a folder for each side's files.</summary>
internal sealed class AgentRig : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("agent-test-");
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(120));
    private readonly HostEndpoint.HostEndpoint _host = new();
    private readonly AgentLog _log;
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
            AllowInstall = install,
            MaxPrograms = 8,
            PolicyFile = $"{_root.FullName}/policy.toml",
        };
        Config = config;
        File.WriteAllText(config.PolicyFile, policy?.Invoke(this) ?? Files(Guest, Guest) + AnyCommand);
        StartAgent();
        ITransportEndpoint endpoint = TransportEndpoints.Create($"unix://{_root.FullName}/host.sock");
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
        _daemon = new AgentDaemon(Config, () => Config,
            new GuestSystem(new FakePowerPlatform(), new FakeFreezePlatform(), new FreezeMarker($"{_root.FullName}/frozen"), static _ => 0) { RunFolder = RunFolder }, _log, TimeProvider.System);
        _running = _daemon.RunAsync();
    }

    /// <summary>Leaves the agent to another host.</summary>
    public async Task DetachAsync() => await _host.DetachAsync(Instance.Name);

    /// <summary>A file of the guest's folder with random content.</summary>
    public string NewFile(string name, int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        string path = Path.Combine(Guest, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await StopAgentAsync();
        _timeout.Dispose();
        // Names that are not UTF-8 are out of the library's reach.
        await ChildProcess.RunAsync("/bin/rm", "-rf", _root.FullName);
    }
}
