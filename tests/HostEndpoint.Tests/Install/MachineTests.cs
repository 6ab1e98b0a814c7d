using System.Diagnostics;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Machines of instances, found and ended by any process; a program that sleeps is in the place of a machine.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class MachineTests : IDisposable
{
    private readonly InstallRig _rig = new();
    private readonly FakeMachines _launcher = new();

    public MachineTests()
    {
        _rig.Write("os/create", "#!/bin/sh\n");
        _rig.Records.Change("vm1", r => r with { Mode = ExecutionMode.Run, Disks = [new TargetDisk(_rig.Disk)] });
    }

    public void Dispose()
    {
        _launcher.Dispose();
        _rig.Dispose();
    }

    private static TimeSpan Long => TimeSpan.FromSeconds(60);

    private InstanceMachines Machines => new(_rig.State, _rig.Records, _launcher);

    private RunningMachine? Found => InstanceMachines.Find(_rig.State, "vm1");

    private string Folder(string name = "vm1") => Path.Combine(_rig.State, "machines", name);

    [Fact]
    public async Task A_machine_is_found_until_it_has_ended_and_is_not_started_twice()
    {
        var machine = await Machines.StartAsync("vm1", InstallRig.Soon);
        Assert.Equal(machine.Process, Found!.Process);
        var error = await Assert.ThrowsAsync<ChannelException>(() => Machines.StartAsync("vm1", InstallRig.Soon));
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains($"vm1 runs since {machine.Started:u} (process {machine.Process.Id}), and it cannot run twice", error.Message);
        Assert.True(await Machines.StopAsync("vm1", Long, cancellationToken: InstallRig.Soon));
        Assert.Equal(1, _launcher.PowerDowns);
        Assert.Null(Found);
        Assert.False(Directory.Exists(Folder()));
        Assert.False(await Machines.StopAsync("vm1", Long, cancellationToken: InstallRig.Soon));
        _launcher.End(await Machines.StartAsync("vm1", InstallRig.Soon));
        Assert.Null(Found);
        // What a machine that has ended by itself has left is in the way of nothing.
        await Machines.StartAsync("vm1", InstallRig.Soon);
    }

    [Fact]
    public async Task Nothing_is_installed_over_a_machine_that_runs()
    {
        await Machines.StartAsync("vm1", InstallRig.Soon);
        var error = Assert.Throws<ChannelException>(() => _rig.Start(static r => r with { IsReinstall = true }));
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains("its disks are in use; stop it before (channelctl instance stop)", error.Message);
        await Machines.StopAsync("vm1", Long, cancellationToken: InstallRig.Soon);
        Assert.Equal("", (await _rig.RunAsync(static r => r with { IsReinstall = true })).Result.Reason);
    }

    [Fact]
    public async Task A_guest_that_does_not_stop_is_ended_only_by_force()
    {
        _launcher.IsDeaf = true;
        var machine = await Machines.StartAsync("vm1", InstallRig.Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(() => Machines.StopAsync("vm1", TimeSpan.FromMilliseconds(100), cancellationToken: InstallRig.Soon));
        Assert.Equal(ChannelError.DeadlineExceeded, error.Code);
        Assert.Contains("vm1 was asked to stop and still runs after 0.1 s; --force", error.Message);
        Assert.True(machine.IsRunning);
        Assert.True(await Machines.StopAsync("vm1", TimeSpan.FromMilliseconds(100), force: true, InstallRig.Soon));
        Assert.False(machine.IsRunning);
        Assert.False(Directory.Exists(Folder()));
    }

    [Theory]
    [InlineData(ExecutionMode.Install)]
    [InlineData(ExecutionMode.SelfInstall)]
    public async Task Only_an_instance_in_mode_run_is_started_to_run(ExecutionMode mode)
    {
        _rig.Records.Change("vm1", r => r with { Mode = mode });
        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(() => Machines.StartAsync("vm1", InstallRig.Soon))).Code);
        Assert.Null(_launcher.Request);
    }

    [Fact]
    public async Task A_machine_that_cannot_be_started_leaves_nothing_and_the_longest_name_has_a_short_folder()
    {
        var name = new string('a', 60);
        _rig.Records.Put(_rig.Records.Get("vm1") with { Name = name });
        _launcher.Refusal = new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, "no");
        await Assert.ThrowsAsync<ChannelException>(() => Machines.StartAsync(name, InstallRig.Soon));
        Assert.InRange(Path.GetFileName(_launcher.Request!.Folder).Length, 1, 20);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_rig.State, "machines")));
        Assert.Null(InstanceMachines.Find(_rig.State, name));
    }

    [Theory]
    [InlineData("it switched itself off", "", InstallOutcome.Succeeded, "it switched itself off")]
    [InlineData("it was reset from inside", "", InstallOutcome.Succeeded, "it was reset from inside")]
    [InlineData("it was reset from inside", "x\nKernel panic - not syncing: no root\n", InstallOutcome.Failed, "the kernel of vm1 panicked (Kernel panic - not syncing: no root)")]
    [InlineData("QEMU was ended by signal 9", "", InstallOutcome.Failed, "the machine of vm1 ended before it told its end: QEMU was ended by signal 9")]
    public async Task A_self_install_is_over_when_its_machine_is(string why, string console, InstallOutcome outcome, string reason)
    {
        _rig.Records.Change("vm1", r => r with { Mode = ExecutionMode.SelfInstall });
        _launcher.Ends = new LaunchDiagnosis { Reason = why, Console = Encoding.UTF8.GetBytes(console) };
        var operation = SelfInstallOperation.Start(_rig.State, _rig.Records, "vm1", _launcher, Long);
        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal((outcome, reason), (result.Outcome, result.Reason));
        var events = await operation.Events.ReadAsync(0, InstallRig.Soon).ToListAsync(InstallRig.Soon);
        Assert.Equal([InstallPhase.Booting, InstallPhase.Running], events.OfType<PhaseEvent>().Select(static e => e.Phase));
        Assert.IsType<ResultEvent>(events[^1]);
        Assert.True(_launcher.Request!.HasChannel);
        Assert.False(Directory.Exists(Folder()));
        InstanceLock.Take(_rig.State, "vm1").Dispose();
        Assert.Equal(ExecutionMode.SelfInstall, _rig.Records.Get("vm1").Mode);
    }

    [Theory]
    [InlineData(false, InstallOutcome.TimedOut, "the deadline of 1 s passed")]
    [InlineData(true, InstallOutcome.Cancelled, "it was cancelled")]
    public async Task A_self_install_ends_at_its_deadline_or_a_cancel_and_its_machine_with_it(bool isCancelled, InstallOutcome outcome, string reason)
    {
        _rig.Records.Change("vm1", r => r with { Mode = ExecutionMode.SelfInstall });
        using var cancel = new CancellationTokenSource();
        var operation = SelfInstallOperation.Start(_rig.State, _rig.Records, "vm1", _launcher, isCancelled ? Long : TimeSpan.FromSeconds(1), null, cancel.Token);
        await foreach (var next in operation.Events.ReadAsync(0, InstallRig.Soon))
        {
            if (isCancelled && next is PhaseEvent { Phase: InstallPhase.Running })
            {
                Assert.Throws<ChannelException>(() => InstanceLock.Take(_rig.State, "vm1"));
                await cancel.CancelAsync();
            }
        }

        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal((outcome, reason), (result.Outcome, result.Reason));
        Assert.True(_launcher.IsDisposed);
    }

    /// <summary>Machines that are programs which sleep.</summary>
    private sealed class FakeMachines : IMachineLauncher, IDisposable
    {
        private readonly List<Process> _processes = [];

        public MachineRequest? Request { get; private set; }
        public int PowerDowns { get; private set; }
        public bool IsDeaf { get; set; }
        public bool IsDisposed { get; private set; }
        public ChannelException? Refusal { get; set; }

        /// <summary>How an attended machine ends at once; null: it does not.</summary>
        public LaunchDiagnosis? Ends { get; set; }

        public Task StartAsync(MachineRequest request, CancellationToken cancellationToken = default)
        {
            Request = request;
            if (Refusal is not null)
            {
                throw Refusal;
            }

            var process = Process.Start("sleep", "1000");
            _processes.Add(process);
            request.OnStarted(new RunningMachine { Instance = request.Instance, Process = ProcessIdentity.Of(process.Id)!.Value, Started = DateTimeOffset.UtcNow });
            return Task.CompletedTask;
        }

        public Task<IAttendedMachine> AttendAsync(MachineRequest request, string metadataSocket, CancellationToken cancellationToken = default)
        {
            Request = request;
            Assert.True(File.Exists(metadataSocket));
            return Task.FromResult<IAttendedMachine>(new Attended(this));
        }

        public Task PowerDownAsync(RunningMachine machine, CancellationToken cancellationToken = default)
        {
            PowerDowns++;
            if (!IsDeaf)
            {
                End(machine);
            }

            return Task.CompletedTask;
        }

        public Task<bool> KillAsync(RunningMachine machine, TimeSpan within)
        {
            End(machine);
            return Task.FromResult(true);
        }

        public void End(RunningMachine machine)
        {
            var process = _processes.Single(p => p.Id == machine.Process.Id);
            process.Kill();
            process.WaitForExit();
        }

        public void Dispose()
        {
            foreach (var process in _processes)
            {
                process.Kill();
                process.Dispose();
            }
        }

        private sealed class Attended(FakeMachines owner) : IAttendedMachine
        {
            public Task Exited { get; } = owner.Ends is null ? new TaskCompletionSource().Task : Task.CompletedTask;

            public Task PowerDownAsync(CancellationToken cancellationToken) => Task.CompletedTask;

            public ValueTask<LaunchDiagnosis> DiagnoseAsync() => ValueTask.FromResult(owner.Ends!);

            public ValueTask DisposeAsync()
            {
                owner.IsDisposed = true;
                return ValueTask.CompletedTask;
            }
        }
    }
}
