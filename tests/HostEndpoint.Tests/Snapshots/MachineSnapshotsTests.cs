using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Snapshots;

/// <summary>The order of a snapshot and of a restore, and the way back from each step, with a hypervisor of the test's.</summary>
public sealed class MachineSnapshotsTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly SnapshotDouble _guest = new();
    private readonly ChannelHost _host = new();
    private readonly Hypervisor _hypervisor = new();

    public MachineSnapshotsTests() => _folder.Write("disk.img", "content");

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private MachineSnapshots Machines => new(_hypervisor, _hypervisor);

    private SnapshotFolder Folder => new(_folder.At("s1"));

    private RunningMachine Machine => new() { Instance = "vm1", Process = ProcessIdentity.Of(Environment.ProcessId)!.Value, Started = DateTimeOffset.UtcNow, ChannelUri = _guest.Guest.Uri };

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _guest.DisposeAsync();
        _folder.Dispose();
    }

    private MachineRequest Request(string name = "vm1") => new()
    {
        Instance = name,
        Folder = _folder.Path,
        Disks = [new TargetDisk(_folder.At("disk.img"))],
        Hardware = new MachineHardware { Nics = [new MachineNic("52:54:00:00:00:01")] },
        HasChannel = true,
        OnStarted = _ => { },
    };

    private async Task<SnapshotStamp> CreateAsync(SnapshotRequest? rest = null, Func<CancellationToken, Task>? copy = null)
    {
        await _host.DetachAsync("vm1");
        var instance = _host.Attach("vm1", _guest.Guest.Uri);
        await instance.WaitReadyAsync(Soon);
        return await Machines.CreateAsync(instance, Machine, Folder, new MachineSnapshotPlan
        {
            Machine = Request(),
            Rest = rest ?? new SnapshotRequest(),
            Overlays = copy is null ? [_folder.At("overlay")] : [],
            CopyDisks = copy,
        }, Soon);
    }

    private Task<SnapshotReport> RestoreAsync(MachineRequest? request = null, SnapshotCompletion? completion = null, TimeSpan? within = null)
    {
        _hypervisor.Channel = _guest.Guest.Uri;
        return Machines.RestoreAsync(Folder, request ?? Request("vm2"), completion ?? new SnapshotCompletion { Origin = SnapshotOrigin.Cloned },
            machine => _host.Attach(machine.Instance, machine.ChannelUri!), within ?? TimeSpan.FromSeconds(20), Soon);
    }

    [Fact]
    public async Task A_snapshot_is_taken_while_the_guest_is_at_rest_and_its_copy_is_ready_when_it_is_repaired()
    {
        var stamp = await CreateAsync();
        Assert.Equal(["save", "finish"], _hypervisor.Done);
        Assert.Equal(Protocol.Services.SnapshotOrigin.GoesOn, Assert.Single(_guest.Completions).Origin);
        var read = Folder.Read();
        Assert.Equal(("vm1", SnapshotKind.Memory, true, "0"), (read.Instance, read.Kind, read.IsGated, read.AgentVersion));
        Assert.Equal((stamp.Disks[0], "52:54:00:00:00:01", "all"), (read.Disks[0], read.Addresses[0], read.Machine["like"]));
        Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(Folder.Path));
        Assert.Contains("is a snapshot already", (await Assert.ThrowsAsync<ChannelException>(() => CreateAsync())).Message);
        await _host.DetachAsync("vm1");
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Cloned };
        Assert.Equal(completion.Generation, (await RestoreAsync(completion: completion)).Generation);
        Assert.Equal(["save", "finish", "start all"], _hypervisor.Done);
        Assert.True(Folder.Remove());
        Assert.False(Folder.Exists || Folder.Remove());
    }

    [Fact]
    public async Task When_the_machine_cannot_be_saved_the_guest_goes_on_and_there_is_no_snapshot()
    {
        _hypervisor.Failing = "save";
        Assert.Equal("no save", (await Assert.ThrowsAsync<ChannelException>(() => CreateAsync())).Message);
        Assert.Equal(Protocol.Services.SnapshotOrigin.GoesOn, Assert.Single(_guest.Completions).Origin);
        Assert.False(Directory.Exists(Folder.Path));
        _hypervisor.Failing = "finish";
        await Assert.ThrowsAsync<ChannelException>(() => CreateAsync());
        Assert.Equal(2, _guest.Completions.Count);
        Assert.False(Directory.Exists(Folder.Path));
    }

    [Fact]
    public async Task A_rest_that_ended_before_the_snapshot_was_taken_makes_none()
    {
        _hypervisor.OnSave = _guest.EndLease;
        Assert.Contains("the lease of 1 s ended", (await Assert.ThrowsAsync<ChannelException>(() => CreateAsync())).Message);
        Assert.False(Directory.Exists(Folder.Path));
    }

    [Fact]
    public async Task A_guest_that_cannot_come_to_rest_is_left_alone()
    {
        _guest.Failure = "a hook failed";
        await Assert.ThrowsAsync<SnapshotFailedException>(() => CreateAsync());
        Assert.Empty(_hypervisor.Done);
        Assert.Empty(_guest.Completions);
        Assert.False(Directory.Exists(Folder.Path));
    }

    [Fact]
    public async Task Disks_alone_are_copied_by_a_command_and_a_copy_boots()
    {
        var isAtRest = false;
        await CreateAsync(new SnapshotRequest { Kind = SnapshotKind.Disk, Gate = false, Freeze = true }, _ =>
        {
            isAtRest = _guest.Prepared is { Freeze: true, Gate: false } && _guest.Completions.Count == 0;
            return Task.CompletedTask;
        });
        Assert.True(isAtRest);
        Assert.True(Folder.Read().AreDisksElsewhere);
        await _host.DetachAsync("vm1");
        await RestoreAsync();
        Assert.Equal(["boot"], _hypervisor.Done);
    }

    [Fact]
    public async Task A_disk_that_was_written_since_is_refused()
    {
        await CreateAsync();
        await _host.DetachAsync("vm1");
        File.AppendAllText(_folder.At("disk.img"), "more");
        var error = await Assert.ThrowsAsync<ChannelException>(() => RestoreAsync(Request("vm2") with { Disks = [] }));
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains("was written since the snapshot was taken", error.Message);
        Assert.Contains("has no channel", (await Assert.ThrowsAsync<ChannelException>(() => RestoreAsync(Request("vm2") with { HasChannel = false }))).Message);
        Assert.DoesNotContain("start all", _hypervisor.Done);
    }

    [Fact]
    public async Task A_copy_that_is_not_repaired_or_not_there_in_time_is_ended()
    {
        await CreateAsync();
        await _host.DetachAsync("vm1");
        _guest.NotRepaired = "random";
        await Assert.ThrowsAsync<SnapshotFailedException>(() => RestoreAsync());
        Assert.Equal("kill", _hypervisor.Done[^1]);
        await _host.DetachAsync("vm2");
        _guest.Hangs = 1000;
        var error = await Assert.ThrowsAsync<ChannelException>(() => RestoreAsync(within: TimeSpan.FromSeconds(0.5)));
        Assert.Equal((ChannelError.DeadlineExceeded, "kill"), (error.Code, _hypervisor.Done[^1]));
    }

    [Theory]
    [InlineData("", "is no stamp")]
    [InlineData("null", "it is empty")]
    [InlineData("[1]", "is no stamp")]
    [InlineData("""{"format":2,"instance":"vm1","kind":"Memory","taken":"2026-01-01T00:00:00Z"}""", "its format is 2")]
    [InlineData("""{"format":1,"instance":"vm1","kind":"Pigeon","taken":"2026-01-01T00:00:00Z"}""", "is no stamp")]
    public void A_damaged_stamp_is_told(string stamp, string why)
    {
        _folder.Write("s1/stamp.json", stamp);
        var error = Assert.Throws<ChannelException>(() => Folder.Read());
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains(why, error.Message);
    }

    private sealed class Hypervisor : IMachineLauncher, IMachineSnapshots
    {
        public List<string> Done { get; } = [];
        public string Failing { get; set; } = "";
        public string Channel { get; set; } = "";
        public Action OnSave { get; set; } = static () => { };

        public Task<IReadOnlyDictionary<string, string>> SaveAsync(RunningMachine machine, MachineSave save, CancellationToken cancellationToken)
        {
            OnSave();
            Do("save");
            return Task.FromResult<IReadOnlyDictionary<string, string>>(new Dictionary<string, string> { ["like"] = "all" });
        }

        public Task FinishAsync(MachineRequest request, string folder, CancellationToken cancellationToken)
        {
            Do("finish");
            return Task.CompletedTask;
        }

        public Task<TargetDisk> OverlayAsync(TargetDisk disk, string overlay, CancellationToken cancellationToken) => Task.FromResult(new TargetDisk(overlay, "qcow2"));

        public Task StartAsync(MachineRequest request, string folder, IReadOnlyDictionary<string, string> saved, CancellationToken cancellationToken) => Start(request, $"start {saved["like"]}");

        public Task StartAsync(MachineRequest request, CancellationToken cancellationToken) => Start(request, "boot");

        public Task<IAttendedMachine> AttendAsync(MachineRequest request, string metadataSocket, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task PowerDownAsync(RunningMachine machine, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<bool> KillAsync(RunningMachine machine, TimeSpan within)
        {
            Do("kill");
            return Task.FromResult(true);
        }

        private Task Start(MachineRequest request, string what)
        {
            Do(what);
            request.OnStarted(new RunningMachine { Instance = request.Instance, Process = ProcessIdentity.Of(Environment.ProcessId)!.Value, Started = DateTimeOffset.UtcNow, ChannelUri = Channel });
            return Task.CompletedTask;
        }

        private void Do(string what)
        {
            if (what == Failing)
            {
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"no {what}");
            }

            Done.Add(what);
        }
    }
}
