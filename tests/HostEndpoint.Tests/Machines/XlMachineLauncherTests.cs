using ChannelSdk.Host.Launch;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>The machine of an instance as a Xen domain, by a script in xl's place.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class XlMachineLauncherTests : IDisposable
{
    private const string FakeXl = """
        #!/bin/sh
        here=$(dirname "$0")
        case $1 in
          create)
            [ -e "$here/refusal" ] && { cat "$here/refusal" >&2; exit 3; }
            mkfifo "$here/alive"
            echo "Waiting for domain vm1 (domid 7) to die [pid $$]" >&2
            exec cat "$here/alive"
            ;;
          shutdown | destroy) echo "$*" >> "$here/calls"; [ -p "$here/alive" ] && echo gone > "$here/alive" ;;
        esac
        """;

    private readonly TestFolder _folder = new();
    private readonly List<RunningMachine> _told = [];
    private readonly XlMachineLauncher _launcher;

    public XlMachineLauncherTests() => _launcher = new(new XlMachineOptions { Program = _folder.Write("xl", FakeXl, isScript: true) });

    public void Dispose()
    {
        foreach (var machine in _told)
        {
            machine.Process.Kill();
        }

        _folder.Dispose();
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    private MachineRequest Request(bool hasChannel) => new()
    {
        Instance = "vm1",
        Folder = _folder.Path,
        Disks = [new TargetDisk("/dev/vg/vm1")],
        Hardware = new MachineHardware { MemoryMiB = 300, Cpus = 2, Nics = [new MachineNic("aa:00:00:12:34:56", "br0"), new MachineNic("aa:00:00:12:34:57")] },
        Boot = new MachineBoot { Kernel = "/boot/vmlinuz", Initrd = "/boot/initrd", Append = "root=/dev/xvda" },
        HasChannel = hasChannel,
        OnStarted = _told.Add,
    };

    [Theory]
    [InlineData(true, "vchan://7/org.channelsdk.agent.0")]
    [InlineData(false, null)]
    public async Task A_domain_is_made_as_the_machine_is_asked_for_and_goes_on(bool hasChannel, string? uri)
    {
        await _launcher.StartAsync(Request(hasChannel), Soon);
        var machine = _told[^1];
        Assert.True(machine.IsRunning);
        Assert.Equal(uri, machine.ChannelUri);
        Assert.Equal([_folder.At("xl"), "console", "vm1"], machine.ConsoleCommand);
        var config = await File.ReadAllLinesAsync(_folder.At("xl.cfg"));
        string[] lines = ["name = \"vm1\"", "on_reboot = \"restart\"", "memory = 300", "vcpus = 2", "vif = [\"mac=aa:00:00:12:34:56,bridge=br0\", \"mac=aa:00:00:12:34:57\"]", "extra = \"console=hvc0 quiet panic=-1 root=/dev/xvda\""];
        Assert.All(lines, line => Assert.Contains(line, config));
        await _launcher.PowerDownAsync(machine, Soon);
        Assert.True(await _launcher.KillAsync(machine, TimeSpan.FromSeconds(20)));
        Assert.Equal(["shutdown vm1", "destroy vm1"], await File.ReadAllLinesAsync(_folder.At("calls")));
    }

    [Fact]
    public async Task A_refusal_of_xl_has_its_words_and_leaves_nothing()
    {
        _folder.Write("refusal", "libxl: no memory\n");
        var error = await Assert.ThrowsAsync<ChannelException>(() => _launcher.StartAsync(Request(true), Soon));
        Assert.Contains("xl create failed with code 3: libxl: no memory", error.Message);
        Assert.Contains("destroy vm1", await File.ReadAllLinesAsync(_folder.At("calls")));
    }

    [Fact]
    public async Task What_a_domain_cannot_be_is_told_before_anything_runs()
    {
        var medium = await Assert.ThrowsAsync<ChannelException>(() => _launcher.StartAsync(Request(true) with { Boot = new MachineBoot { Medium = "/x.iso" } }, Soon));
        Assert.Contains("needs kernel_path and initrd_path", medium.Message);
        var own = await Assert.ThrowsAsync<ChannelException>(() => _launcher.AttendAsync(Request(true), _folder.At("http"), Soon));
        Assert.Contains("vm1 cannot install itself as a Xen domain", own.Message);
        Assert.Empty(_told);
    }
}
