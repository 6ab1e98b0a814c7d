using System.Diagnostics;
using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Tests.Qga;
using ChannelSdk.Host;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>
/// An agent in its own process and namespaces, so that it can have mounts and networks that this machine must
/// not have. It may neither freeze nor end the machine, which is its guest.
/// </summary>
internal sealed class AgentProcess : IAsyncDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(120));
    private readonly ChannelHost _host = new();
    private readonly Process _process;
    private readonly StringBuilder _errors = new();

    /// <summary>Starts it.</summary>
    /// <param name="folder">For sockets and the files of the script.</param>
    /// <param name="namespaces">What unshare(1) is asked for, as "--mount".</param>
    /// <param name="script">Lines of sh that make what the agent finds; each must succeed.</param>
    public AgentProcess(string folder, string namespaces, string script)
    {
        Folder = folder;
        File.WriteAllText($"{folder}/agent.toml", $"""
            endpoint = "unix-listen://{folder}/host.sock"
            control_socket = "{folder}/control.sock"
            metadata_relay = "off"
            [qga]
            listen = "{folder}/qga.sock"
            [permissions]
            power = false
            [services]
            allow = ["info.*", "freeze.Thaw", "freeze.Status", "time.Get", "files.*"]
            {AgentRig.Files("/", folder)}
            """);
        var start = new ProcessStartInfo("unshare") { RedirectStandardError = true };
        string[] arguments =
        [
            .. namespaces.Split(' '), "--", "/bin/sh", "-ec", script + "\nexec \"$@\"", "sh",
            .. Program, "run", "--config", $"{folder}/agent.toml",
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => _errors.AppendLine(line.Data);
        _process.BeginErrorReadLine();
        var soon = new InstanceOptions { Channel = new ChannelOptions { RetryMin = TimeSpan.FromMilliseconds(10), RetryMax = TimeSpan.FromMilliseconds(50) } };
        Instance = _host.Attach("vm1", TransportEndpoints.Create($"unix://{folder}/host.sock"), soon);
    }

    /// <summary>The agent's assembly, or the program that is named: the one that is shipped, for instance.</summary>
    public static string[] Program => Environment.GetEnvironmentVariable("CHANNELSDK_AGENT") is { Length: > 0 } path ? [path]
        : [Environment.ProcessPath!, "exec", typeof(Configuration.AgentVersion).Assembly.Location];

    public string Folder { get; }

    public Instance Instance { get; }

    public CancellationToken Soon => _timeout.Token;

    /// <summary>Its number, and so that of the namespaces it is in.</summary>
    public int Id => _process.Id;

    /// <summary>Waits until the host has it.</summary>
    public async Task ReadyAsync()
    {
        var ready = Instance.WaitReadyAsync(Soon);
        var gone = _process.WaitForExitAsync(Soon);
        Assert.True(await Task.WhenAny(ready, gone) == ready, $"the agent has ended: {_errors}");
        await ready;
    }

    public Task<QgaTestClient> ConnectQgaAsync() => QgaTestClient.ConnectAsync($"{Folder}/qga.sock");

    /// <summary>What a program prints in the agent's namespaces; it must succeed.</summary>
    public Task<string> InsideAsync(params string[] words) =>
        Programs.OutputAsync(Soon, ["nsenter", "--target", $"{Id}", "--mount", "--net", "--wd=/", "--", .. words]);

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        // By force: what it waits for may never come.
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        _timeout.Dispose();
    }
}
