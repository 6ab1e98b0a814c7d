using System.Globalization;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.InXen;

/// <summary>Snapshots of an instance that runs as a domain.</summary>
public sealed class SnapshotTests : IAsyncLifetime, IAsyncDisposable
{
    private const string Name = "origin";
    private const string CloneName = "copy";
    private const string Samples = "/tmp/samples";
    private const int MemoryMiB = 160;

    /// <summary>Gives the agent a control group to itself, PID 1 too, and lets a program draw random numbers in another one.</summary>
    private const string Separate = $"""
        set -e
        grep -q cgroup2 /proc/mounts || mount -t cgroup2 groups /sys/fs/cgroup
        cd /sys/fs/cgroup
        mkdir init agent rest draw
        echo 1 > init/cgroup.procs
        echo $(pidof channel-agent) > agent/cgroup.procs
        for p in $(cat cgroup.procs); do readlink /proc/$p/exe >/dev/null && echo $p > rest/cgroup.procs || true; done
        setsid /usr/bin/sample {Samples} </dev/null >/dev/null 2>&1 &
        echo $! > draw/cgroup.procs
        hostname
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("snap-").FullName;
    private readonly ChannelHost _host = new();

    private static CancellationToken Soon => TestDomain.Soon;

    private string State => At("state");

    private InstanceRecordStore Records => new(At("state/records"));

    private static XlMachineLauncher Launcher => new(new XlMachineOptions());

    private InstanceMachines Machines => new(State, Records, Launcher);

    private InstanceSnapshots Snapshots => new(State, Records, Launcher, new XlSnapshots(Launcher));

    public async Task InitializeAsync() => await File.WriteAllBytesAsync(At("disk.img"), new byte[1 << 20]);

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await Dom0.ShAsync($"xl destroy {Name} 2>/dev/null; xl destroy {CloneName} 2>/dev/null; true");
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_domain_is_put_back_and_cloned_and_no_two_of_them_draw_the_same_random_numbers()
    {
        PutRecord(MemoryMiB);
        await Machines.StartAsync(Name, Soon);
        var hostName = await ShAsync(Name, Separate);
        var machine = InstanceMachines.Find(State, Name)!;

        // A channel has one client.
        await _host.DetachAsync(Name);
        var overlay = await Assert.ThrowsAsync<ChannelException>(() => Snapshots.CreateAsync(Name, "s1", new SnapshotRequest(), cancellationToken: Soon));
        Assert.Contains("--disk-command", overlay.Message);
        await AssertGoesOnWhenTheToolIsKilledAsync();
        Assert.Contains("memory", await DomainTool.RunAsync("snapshot", "create", Name, "s1", "--state", State, "--disk-command", $"cp $DISK_0_PATH {At("restored.img")} && cp $DISK_0_PATH {At("cloned.img")}"));
        // The one that was saved goes on, and the xl that waits for its end too.
        var after = InstanceMachines.Find(State, Name);
        Assert.Equal((machine.Process, machine.ChannelUri), (after?.Process, after?.ChannelUri));
        await Task.Delay(TimeSpan.FromSeconds(1));
        List<string[]> drawn = [await DrawnAsync(Name)];

        await _host.DetachAsync(Name);
        Assert.True(await Machines.StopAsync(Name, TimeSpan.Zero, force: true, Soon));
        PutRecord(MemoryMiB + 16);
        var other = await Assert.ThrowsAsync<ChannelException>(() => Snapshots.RestoreAsync(Name, "s1", Copy("restored.img"), Soon));
        Assert.Contains("its memory is '176 MiB', and of the snapshot '160 MiB'", other.Message);
        PutRecord(MemoryMiB);
        var restored = await Snapshots.RestoreAsync(Name, "s1", Copy("restored.img"), Soon);
        var cloned = await Snapshots.CloneAsync(Name, "s1", CloneName, Copy("cloned.img"), Soon);
        Assert.All([restored, cloned], static report =>
        {
            Assert.True(report.IsGated, string.Join(' ', report.Steps));
            Assert.Equal(StepOutcome.Done, report.Steps.Single(static step => step.Name == "random").Outcome);
            Assert.NotNull(report.Generation);
        });
        Assert.NotEqual(restored.Generation, cloned.Generation);
        Assert.Equal((hostName, CloneName), (await ShAsync(Name, "hostname"), await ShAsync(CloneName, "hostname")));
        drawn.AddRange([await DrawnAsync(Name), await DrawnAsync(CloneName)]);
        AssertDisjoint(drawn);
        Assert.Equal("", await ShAsync(CloneName, "dmesg | grep -E 'BUG|WARNING:' || true"));
        // It is known which domain is whose.
        Assert.Equal($"vchan://{await Dom0.ShAsync($"xl domid {CloneName}")}/{XlGuest.ChannelName}", InstanceMachines.Find(State, CloneName)!.ChannelUri);
    }

    /// <summary>A channelctl that is killed while the domain stands still.</summary>
    private async Task AssertGoesOnWhenTheToolIsKilledAsync()
    {
        Assert.Equal(137, (await DomainTool.StartAsync(null, ["snapshot", "create", Name, "s1", "--state", State, "--lease", "1", "--disk-command", "kill -9 $PPID"])).Code);
        var instance = await AttachAsync(Name);
        while ((await instance.Snapshot.StatusAsync(Soon)).State != SnapshotState.Idle)
        {
            await Task.Delay(100, Soon);
        }

        await _host.DetachAsync(Name);
    }

    private static void AssertDisjoint(List<string[]> drawn)
    {
        // They have one history until the gate shut; each line has the time too.
        var common = Enumerable.Range(0, drawn.Min(static lines => lines.Length)).TakeWhile(i => drawn.All(lines => lines[i] == drawn[0][i])).Count();
        var after = drawn.ConvertAll(lines => lines[common..].Select(static line => line[17..]).ToArray());
        Console.WriteLine($"REPORT {common} values before the gate, {string.Join(' ', after.Select(static values => values.Length))} behind it");
        Assert.InRange(common, 10, int.MaxValue);
        Assert.All(after, static values => Assert.InRange(values.Length, 50, int.MaxValue));
        var all = after.SelectMany(static values => values).ToList();
        Assert.Equal(all.Count, all.Distinct().Count());
    }

    private string At(string name) => Path.Combine(_folder, name);

    private SnapshotCopyOptions Copy(string disk) => new() { Disks = [new TargetDisk(At(disk))] };

    private void PutRecord(int memoryMiB) => Records.Put(new InstanceRecord
    {
        Name = Name,
        Mode = ExecutionMode.Run,
        Communication = true,
        Hypervisor = "xen-pvm",
        HypervisorParameters = TestDomain.HypervisorParameters,
        BackendParameters = new Dictionary<string, string> { [InstanceRecord.MemoryParameter] = memoryMiB.ToString(CultureInfo.InvariantCulture) },
        Disks = [new TargetDisk(At("disk.img"))],
    });

    private async Task<string[]> DrawnAsync(string name) => (await ShAsync(name, $"cat {Samples}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task<Instance> AttachAsync(string name)
    {
        var instance = _host.Instances.SingleOrDefault(instance => instance.Name == name) ?? _host.Attach(name, InstanceMachines.Find(State, name)!.ChannelUri!);
        await instance.WaitReadyAsync(Soon);
        return instance;
    }

    /// <summary>Runs a line of shell in a domain; what it wrote to its output.</summary>
    private async Task<string> ShAsync(string name, string line)
    {
        var result = await (await AttachAsync(name)).Exec.RunAsync(new ExecOptions { Command = ["/bin/sh", "-c", line] }, maxOutput: 16 << 20, cancellationToken: Soon);
        Assert.True(result.Exit.ShellCode == 0, $"{line}: code {result.Exit.ShellCode}: {Encoding.UTF8.GetString(result.Error.Span)}");
        return Encoding.UTF8.GetString(result.Output.Span).TrimEnd();
    }
}
