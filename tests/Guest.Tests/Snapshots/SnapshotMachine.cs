using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Machines of the small test guest with a disk, as instances have them, and copies of their memory.</summary>
internal sealed class SnapshotMachine : IAsyncDisposable
{
    public const int MemoryMiB = 128;

    // Sockets lie in it.
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cs-");
    private readonly List<RunningMachine> _machines = [];
    private readonly ChannelHost _host = new();
    private string _guest = Path.Combine(SavedGuest.FindRoot(), ".cache/guest");
    private int _count;

    public SnapshotMachine()
    {
        using var disk = File.Create(At("disk.img"));
        disk.SetLength(8 << 20);
        Directory.CreateDirectory(Memory);
    }

    public QemuMachineLauncher Launcher { get; } = new(new QemuMachineOptions { Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL") });

    public QemuSnapshots Snapshots => new(Launcher);

    /// <summary>The folder of a snapshot.</summary>
    public string Memory => At("memory");

    public IReadOnlyDictionary<string, string> Saved { get; private set; } = new Dictionary<string, string>();

    public TargetDisk Disk => new(At("disk.img"));

    public string At(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Has the guests of further machines boot Debian's generic kernel, which has a driver for VMGenID devices.</summary>
    public async Task UseGenericKernelAsync()
    {
        await DiskGuest.RunAsync(TimeSpan.FromMinutes(15), Path.Combine(SavedGuest.FindRoot(), "scripts/build-generic-guest.sh"));
        _guest = Path.Combine(SavedGuest.FindRoot(), ".cache/generic");
    }

    /// <summary>A machine that is not started yet.</summary>
    public MachineRequest Request(string name, TargetDisk disk)
    {
        Directory.CreateDirectory(At(name));
        return new MachineRequest
        {
            Instance = name,
            Folder = At(name),
            Disks = [disk],
            Hardware = new MachineHardware { MemoryMiB = MemoryMiB },
            Boot = new MachineBoot { Kernel = Path.Combine(_guest, "vmlinuz"), Initrd = Path.Combine(_guest, "initrd") },
            HasChannel = true,
            OnStarted = machine =>
            {
                _machines.RemoveAll(other => other.Instance == name);
                _machines.Add(machine);
            },
        };
    }

    /// <summary>The machine of a name that was started.</summary>
    public RunningMachine Of(string name) => _machines.Single(machine => machine.Instance == name);

    /// <summary>Its guest, whose agent is there.</summary>
    public async Task<Instance> AttachAsync(string name)
    {
        var instance = _host.Attach(name, Of(name).ChannelUri!);
        await instance.WaitReadyAsync(SavedGuest.Soon);
        return instance;
    }

    /// <summary>Boots one whose disk can be used.</summary>
    public async Task<Instance> BootAsync(string name)
    {
        await Launcher.StartAsync(Request(name, Disk), SavedGuest.Soon);
        var instance = await AttachAsync(name);
        await ShAsync(instance, DiskGuest.LoadModules);
        return instance;
    }

    /// <summary>Saves a machine into a folder; it goes on with an overlay.</summary>
    public async Task<TargetDisk> SaveAsync(string name, string folder, TargetDisk disk)
    {
        IReadOnlyList<TargetDisk> disks = [];
        Saved = await Snapshots.SaveAsync(Of(name), new MachineSave { Machine = Request(name, disk), Folder = folder, Overlays = [At($"{name}-{++_count}.qcow2")], OnDisks = now => disks = now }, SavedGuest.Soon);
        await Snapshots.FinishAsync(Request(name, disk), folder, SavedGuest.Soon);
        return disks[0];
    }

    /// <summary>Starts a machine from a folder, with an overlay of a disk.</summary>
    public async Task StartAsync(string name, string folder, TargetDisk disk) => await Snapshots.StartAsync(
        Request(name, await Snapshots.OverlayAsync(disk, At($"{name}-{++_count}.qcow2"), SavedGuest.Soon)), folder, Saved, SavedGuest.Soon);

    /// <summary>Lets the gate of a guest shut.</summary>
    public async Task SeparateAsync(string name)
    {
        await using var console = await GuestConsole.ConnectAsync(Of(name).ConsoleSocket!);
        await SeparateAsync(console);
    }

    /// <summary>Lets the gate of a guest shut: the agent has a control group to itself, PID 1 too, and all other programs a third one. Threads of the kernel cannot be stopped and stay.</summary>
    public static async Task SeparateAsync(GuestConsole console) => Assert.Equal("1 1", await console.ShAsync(
        "grep -q cgroup2 /proc/mounts || mount -t cgroup2 groups /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir init agent rest; echo 1 > init/cgroup.procs; for p in $(cat cgroup.procs); do readlink /proc/$p/exe >/dev/null && echo $p > rest/cgroup.procs; done; "
        + "echo $(pidof channel-agent) > agent/cgroup.procs; cd /; echo $(wc -l < /sys/fs/cgroup/agent/cgroup.procs) $(grep -c agent /proc/$(pidof channel-agent)/cgroup)"));

    /// <summary>Takes a snapshot of a guest that the gate stops.</summary>
    public async Task<SnapshotStamp> CreateAsync(string name, SnapshotFolder folder, TargetDisk disk, Action<IReadOnlyList<TargetDisk>> onDisks) => await new MachineSnapshots(Launcher, Snapshots).CreateAsync(
        _host.Instances.Single(instance => instance.Name == name), Of(name), folder,
        new MachineSnapshotPlan { Machine = Request(name, disk), Overlays = [At($"{name}-{++_count}.qcow2")], OnDisks = onDisks }, SavedGuest.Soon);

    /// <summary>Starts a machine from a snapshot, and waits until its guest is ready.</summary>
    public async Task<(Instance Instance, SnapshotReport Report)> RestoreAsync(string name, SnapshotFolder folder, SnapshotCompletion completion)
    {
        var stamp = folder.Read();
        var overlay = await Snapshots.OverlayAsync(new TargetDisk(stamp.Disks[0].Path, stamp.Disks[0].Format), At($"{name}-{++_count}.qcow2"), SavedGuest.Soon);
        Instance? instance = null;
        var report = await new MachineSnapshots(Launcher, Snapshots).RestoreAsync(
            folder, Request(name, overlay), completion, machine => instance = _host.Attach(name, machine.ChannelUri!), TimeSpan.FromSeconds(60), SavedGuest.Soon);
        return (instance!, report);
    }

    /// <summary>What a command of the guest's shell prints.</summary>
    public static async Task<string> ShAsync(Instance instance, string command)
    {
        var result = await instance.Exec.RunAsync(new ExecOptions { Command = ["/bin/busybox", "sh", "-c", command] }, maxOutput: 16 << 20, cancellationToken: SavedGuest.Soon);
        Assert.True(result.Exit.ShellCode == 0, $"{command}: {Encoding.UTF8.GetString(result.Error.Span)}");
        return Encoding.UTF8.GetString(result.Output.Span).Trim();
    }

    public async Task EndAsync(string name)
    {
        await _host.DetachAsync(name);
        Assert.True(await Launcher.KillAsync(Of(name), TimeSpan.FromSeconds(10)));
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        // Those that were killed have ended.
        foreach (var machine in _machines.Where(static machine => machine.IsRunning))
        {
            await Launcher.KillAsync(machine, TimeSpan.FromSeconds(10));
        }

        _folder.Delete(recursive: true);
    }
}
