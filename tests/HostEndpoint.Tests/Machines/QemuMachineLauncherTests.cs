using ChannelSdk.Host.Launch;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>How the machine of an instance is started, left and ended, by a script in QEMU's place and a monitor of the test's.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QemuMachineLauncherTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly QmpDouble _monitor;
    private RunningMachine? _machine;

    public QemuMachineLauncherTests()
    {
        Directory.CreateDirectory(_folder.At("vm"));
        _monitor = new QmpDouble(_folder.At("vm", "qmp.sock"));
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public async ValueTask DisposeAsync()
    {
        _machine?.Process.Kill();
        await _monitor.DisposeAsync();
        _folder.Dispose();
    }

    private QemuMachineLauncher Launcher(string script = "exec sleep 1000") => new(new QemuMachineOptions
    {
        Program = _folder.Write("qemu", $"#!/bin/sh\nprintf '%s\\n' \"$@\" >{_folder.At("written")}\nmv {_folder.At("written")} {_folder.At("arguments")}\n{script}\n", isScript: true),
        Accelerator = "tcg",
    });

    private MachineRequest Request(bool hasChannel = false) => new()
    {
        Instance = "vm1",
        Folder = _folder.At("vm"),
        Disks = [new TargetDisk("/srv/vm1.img")],
        Hardware = new MachineHardware { MemoryMiB = 300, Cpus = 2 },
        Boot = new MachineBoot { Medium = "/srv/x.iso", Order = [BootDevice.Medium, BootDevice.Disk] },
        HasChannel = hasChannel,
        OnStarted = machine => _machine = machine,
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_machine_is_in_a_session_of_its_own_and_goes_on_when_it_was_started(bool hasChannel)
    {
        await Launcher().StartAsync(Request(hasChannel), Soon);
        Assert.True(_machine!.IsRunning);
        // The monitor is the test's, and is there before QEMU is.
        while (!File.Exists(_folder.At("arguments")))
        {
            await Task.Delay(5, Soon);
        }

        // proc(5): the session is the fourth field behind the name.
        var stat = await File.ReadAllTextAsync($"/proc/{_machine.Process.Id}/stat");
        Assert.Equal($"{_machine.Process.Id}", stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[3]);
        Assert.Equal(hasChannel ? $"virtio-serial://{_folder.At("vm", "channel.sock")}" : null, _machine.ChannelUri);
        Assert.Contains("\"cont\"", _monitor.Lines.Last());
        var arguments = await File.ReadAllLinesAsync(_folder.At("arguments"));
        Assert.Equal(hasChannel, arguments.Any(static a => a.Contains("virtserialport", StringComparison.Ordinal)));
        Assert.DoesNotContain("-no-reboot", arguments);
        Assert.Contains("300", arguments);
        Assert.Equal("2", arguments[Array.IndexOf(arguments, "-smp") + 1]);
        Assert.Contains("ide-cd,drive=medium,id=medium,bus=ide.1,unit=1,bootindex=0", arguments);
        Assert.Contains("virtio-blk-pci,drive=disk0,id=disk0,serial=disk0,addr=9,bootindex=1", arguments);
    }

    [Fact]
    public async Task A_machine_is_asked_to_stop_by_its_power_button_and_ended_by_force()
    {
        var launcher = Launcher("trap '' TERM INT HUP; while :; do sleep 0.1; done");
        await launcher.StartAsync(Request(), Soon);
        await launcher.PowerDownAsync(_machine!, Soon);
        Assert.Contains("system_powerdown", _monitor.Lines.Last());
        Assert.True(await launcher.KillAsync(_machine!, TimeSpan.FromSeconds(1)));
        Assert.False(_machine!.IsRunning);
        Assert.Contains("\"quit\"", _monitor.Lines.Last());
    }

    [Fact]
    public async Task A_machine_that_cannot_be_kept_in_mind_is_ended()
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher().StartAsync(Request() with
        {
            OnStarted = machine =>
            {
                _machine = machine;
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "full");
            },
        }, Soon));
        Assert.Equal("full", error.Message);
        Assert.False(_machine!.IsRunning);
    }

    [Fact]
    public async Task A_machine_that_does_not_start_is_told_of_in_its_own_words()
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher("echo 'qemu: no such image' >&2; exit 1").StartAsync(Request() with { Folder = _folder.At("other") }, Soon));
        Assert.Contains("QEMU ended at once with code 1: qemu: no such image", error.Message);
    }

    [Fact]
    public async Task A_machine_cannot_install_itself_without_the_program_that_leads_to_its_metadata()
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => Launcher().AttendAsync(Request(), _folder.At("http"), Soon));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains("channel-forward", error.Message);
        Assert.Null(_machine);
    }
}
