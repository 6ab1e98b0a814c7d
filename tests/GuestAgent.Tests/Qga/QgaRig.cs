using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Status;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>A whole agent that answers the QEMU guest agent's protocol on a Unix socket.</summary>
internal sealed class QgaRig : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("qga-test-");
    private readonly AgentDaemon _daemon;
    private readonly Task _running;
    private readonly List<QgaTestClient> _clients = [];

    public QgaRig(Func<AgentConfig, AgentConfig>? change = null, string? policy = null, TimeProvider? time = null)
    {
        Folder = _root.CreateSubdirectory("files").FullName;
        var config = new AgentConfig
        {
            Endpoint = $"unix-listen://{_root.FullName}/host.sock",
            ControlSocket = null,
            LogRate = 1000,
            FreezeHooks = $"{_root.FullName}/hooks.d",
            Qga = QgaSetting.Parse(Socket)!,
        };
        config = change?.Invoke(config) ?? config;
        var log = new AgentLog(Lines.Enqueue, TimeProvider.System, withTime: false) { Rate = 1000 };
        _daemon = new AgentDaemon(names => AgentRig.WithPolicy(config, policy ?? AgentRig.Files("/", Folder) + AgentRig.AnyCommand, names),
            new GuestSystem(Power, Freeze, new FreezeMarker($"{_root.FullName}/frozen"), nanoseconds =>
            {
                ClockSetTo = nanoseconds;
                return 0;
            })
            {
                Repair = new FakeRepair(),
            },
            log, time ?? TimeProvider.System);
        _running = _daemon.RunAsync();
    }

    public string Socket => $"{_root.FullName}/qga.sock";

    /// <summary>The folder that may be written.</summary>
    public string Folder { get; }

    public FakePowerPlatform Power { get; } = new();

    public FakeFreezePlatform Freeze { get; } = new();

    public long ClockSetTo { get; private set; }

    public ConcurrentQueue<string> Lines { get; } = [];

    public async Task<QgaTestClient> ConnectAsync()
    {
        var client = await QgaTestClient.ConnectAsync(Socket);
        _clients.Add(client);
        return client;
    }

    public string NewFile(string name, byte[] content)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(static client => client.Dispose());
        _daemon.Stop("the test");
        await _running;
        await RawFolder.RemoveAsync(_root.FullName);
    }
}
