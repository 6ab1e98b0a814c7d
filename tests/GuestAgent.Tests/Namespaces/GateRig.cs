using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>
/// A small guest in namespaces of processes, mounts and control groups: PID 1, which starts an agent that has ended again, the agent, and a
/// program that counts, each in a control group of its own of this machine's kernel. File systems are the machine's, and are never frozen.
/// </summary>
internal sealed class GateRig : IAsyncDisposable
{
    private static int s_number;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(120));
    private readonly StringBuilder _errors = new();
    private readonly Process _process;
    private Channel _host;

    /// <summary>Starts it.</summary>
    /// <param name="folder">For sockets and what its programs write.</param>
    /// <param name="more">Lines of sh that PID 1 runs before the agent starts, in /sys/fs/cgroup.</param>
    /// <param name="hook">A freeze hook's lines; empty for none.</param>
    public GateRig(string folder, string more = "", string hook = "")
    {
        Folder = folder;
        Group = $"{Cgroup.UnifiedRoot}/channel-gate-{Environment.ProcessId}-{Interlocked.Increment(ref s_number)}";
        Directory.CreateDirectory($"{folder}/hooks");
        if (hook.Length > 0)
        {
            File.WriteAllText($"{folder}/hooks/10-hook", $"#!/bin/sh\n{hook}\n");
            File.SetUnixFileMode($"{folder}/hooks/10-hook", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        File.WriteAllText($"{folder}/agent.toml", $"""
            endpoint = "unix-listen://{folder}/host.sock"
            control_socket = "none"
            metadata_relay = "off"
            [freeze]
            hooks = "{folder}/hooks"
            hook_timeout = "3s"
            [qga]
            listen = "off"
            [services]
            allow = ["info.*", "snapshot.*"]
            """);
        var inner = $"""
            mount -t tmpfs run /run
            mount -t cgroup2 groups /sys/fs/cgroup
            cd /sys/fs/cgroup
            mkdir init agent other
            echo 1 > init/cgroup.procs
            sh -c 'echo $$ > other/cgroup.procs; i=0; while :; do i=$((i+1)); echo $i > {folder}/count; done' &
            {more}
            while :; do sh -c 'echo $$ > agent/cgroup.procs; exec "$@"' sh "$@" || :; done
            """;
        var outer = $"mkdir {Group}; echo $$ > {Group}/cgroup.procs; exec unshare --pid --fork --kill-child --mount-proc --cgroup -- sh -ec \"$INNER\" sh \"$@\"";
        var start = new ProcessStartInfo("unshare") { RedirectStandardError = true };
        start.Environment["INNER"] = inner;
        string[] arguments = ["--mount", "--", "sh", "-ec", outer, "sh", .. AgentProcess.Program, "run", "--config", $"{folder}/agent.toml"];
        Array.ForEach(arguments, start.ArgumentList.Add);
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
        _host = NewHost();
    }

    public string Folder { get; }

    /// <summary>The control group that is the guest's root.</summary>
    public string Group { get; }

    public CancellationToken Soon => _timeout.Token;

    /// <summary>What the agents have logged.</summary>
    public string Log
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Number of the agent on this machine.</summary>
    public int AgentId => int.Parse(File.ReadAllLines($"{Group}/agent/cgroup.procs").Single(), CultureInfo.InvariantCulture);

    /// <summary>The groups that are asked to be frozen.</summary>
    public string[] Frozen => [.. Directory.EnumerateDirectories(Group).Where(static group => File.ReadAllText($"{group}/cgroup.freeze") == "1\n").Select(static group => Path.GetFileName(group)!).Order(StringComparer.Ordinal)];

    public async Task<SnapshotReport> PrepareAsync(uint lease = 60_000, uint linkLoss = 0)
    {
        try
        {
            return await _host.CallAsync(SnapshotMethods.Prepare, new PrepareRequest { Kind = SnapshotKind.Memory, Gate = true, LeaseMs = lease, LinkLossMs = linkLoss }, default, Soon);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException(Log);
        }
    }

    public async Task<SnapshotReport> GoOnAsync() =>
        await _host.CallAsync(SnapshotMethods.Complete, new CompleteRequest { Origin = SnapshotOrigin.GoesOn }, default, Soon);

    public async Task<SnapshotReport> StatusAsync() => await _host.CallAsync(SnapshotMethods.Status, new SnapshotStatusRequest(), default, Soon);

    /// <summary>Goes away as a host does that crashes.</summary>
    public async Task LeaveAsync() => await _host.DisposeAsync();

    /// <summary>Comes back as another host.</summary>
    public void Return() => _host = NewHost();

    /// <summary>Waits until the counter counts.</summary>
    public async Task AssertCountsAsync()
    {
        for (var before = Count; Count == before || Count == ""; await Task.Delay(5, Soon))
        {
        }
    }

    /// <summary>Waits until it counts again, and nothing is frozen.</summary>
    public async Task AssertOpensAsync()
    {
        while (Frozen.Length > 0)
        {
            await Task.Delay(5, Soon);
        }

        await AssertCountsAsync();
    }

    /// <summary>Looks for a while whether it counts.</summary>
    public async Task AssertStandsStillAsync()
    {
        var before = Count;
        await Task.Delay(300, Soon);
        Assert.Equal(before, Count);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        // Killed processes hold their group until the kernel has removed them.
        foreach (var group in Directory.EnumerateDirectories(Group, "*", SearchOption.AllDirectories).OrderByDescending(static path => path.Length).Append(Group))
        {
            Cgroup.End(group);
        }

        _timeout.Dispose();
    }

    private string Count => File.Exists($"{Folder}/count") ? File.ReadAllText($"{Folder}/count") : "";

    private Channel NewHost()
    {
        var options = new ChannelOptions { RetryMin = TimeSpan.FromMilliseconds(10), RetryMax = TimeSpan.FromMilliseconds(50) };
        var host = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{Folder}/host.sock"), new ServiceRegistry(), options);
        host.Start();
        return host;
    }
}
