using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.InXen;

/// <summary>The machine of an instance in mode run as a domain.</summary>
public sealed class ModeTests : IAsyncLifetime
{
    private const string Name = "mode";

    /// <summary>Takes down each call of xl.</summary>
    private const string NotingXl = """
        #!/bin/sh
        here=${0%/*}
        echo "$*" >> "$here/calls"
        PATH=${PATH#"$here:"}
        exec xl "$@"
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("mode-").FullName;

    private static CancellationToken Soon => TestDomain.Soon;

    private string State => At("state");

    private string Disk => At("disk.img");

    public async Task InitializeAsync()
    {
        await File.WriteAllTextAsync(At("xl"), NotingXl);
        File.SetUnixFileMode(At("xl"), (UnixFileMode)0b111_101_101);
        await File.WriteAllBytesAsync(Disk, new byte[1 << 20]);
    }

    public async Task DisposeAsync()
    {
        await Dom0.ShAsync($"xl destroy {Name} 2>/dev/null || true");
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_domain_goes_on_without_the_process_that_started_it_has_a_channel_and_is_stopped_by_its_agent()
    {
        PutRecord(communication: true);
        var told = await ToolAsync("start");
        var machine = InstanceMachines.Find(State, Name)!;
        Assert.Equal($"{Name} runs, process {machine.Process.Id}, channel vchan://{await Dom0.ShAsync($"xl domid {Name}")}/{XlGuest.ChannelName}\n", told);
        await using (var host = new ChannelHost())
        {
            var instance = host.Attach(Name, machine.ChannelUri!);
            await instance.WaitReadyAsync(Soon);
            await instance.Info.PingAsync(Soon);
        }

        var refused = await Assert.ThrowsAsync<ChannelException>(() => NewMachines().StartAsync(Name, Soon));
        Assert.Contains("it cannot run twice", refused.Message);
        Assert.True(machine.IsRunning);
        Assert.True(await NewMachines().StopAsync(Name, TimeSpan.FromSeconds(60), cancellationToken: Soon));
        Assert.Equal([$"create -F {State}/machines/{Name}/xl.cfg"], await CallsAsync());
        await AssertGoneAsync(machine);
        Assert.Equal($"{Name} run stopped\n", await ToolAsync("status"));
    }

    [Fact]
    public async Task A_domain_without_communication_has_no_channel_starts_again_at_a_reboot_and_is_stopped_by_xl()
    {
        PutRecord(communication: false);
        var machine = await NewMachines().StartAsync(Name, Soon);
        Assert.Null(machine.ChannelUri);
        var number = await BootedAsync("");
        await Dom0.ShAsync($"xl reboot {Name}");
        Assert.NotEqual(number, await BootedAsync(number));
        Assert.Equal(machine.Process, InstanceMachines.Find(State, Name)?.Process);
        Assert.True(await NewMachines().StopAsync(Name, TimeSpan.FromSeconds(60), cancellationToken: Soon));
        Assert.Equal($"shutdown {Name}", (await CallsAsync())[^1]);
        await AssertGoneAsync(machine);

        // Once more, and by force while it boots.
        machine = await NewMachines().StartAsync(Name, Soon);
        Assert.True(await NewMachines().StopAsync(Name, TimeSpan.Zero, force: true, Soon));
        Assert.Equal($"destroy {Name}", (await CallsAsync())[^1]);
        await AssertGoneAsync(machine);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private Task<string[]> CallsAsync() => File.ReadAllLinesAsync(At("calls"));

    private void PutRecord(bool communication) => new InstanceRecordStore(At("state/records")).Put(new InstanceRecord
    {
        Name = Name,
        Mode = ExecutionMode.Run,
        Communication = communication,
        Hypervisor = "xen-pvm",
        HypervisorParameters = TestDomain.HypervisorParameters,
        BackendParameters = new Dictionary<string, string> { [InstanceRecord.MemoryParameter] = "160" },
        Disks = [new TargetDisk(Disk)],
    });

    /// <summary>As another process has it, which knows nothing of those before.</summary>
    private InstanceMachines NewMachines() => new(State, new InstanceRecordStore(At("state/records")), new XlMachineLauncher(new XlMachineOptions { Program = At("xl") }));

    private Task<string> ToolAsync(string command) => DomainTool.RunAsync(_folder, ["instance", command, Name, "--state", State]);

    /// <summary>Waits until the domain, with another number than the former, has an agent that offers a vchan; its number.</summary>
    private static Task<string> BootedAsync(string former) => Dom0.ShAsync($"""
        until d=$(xl domid {Name} 2>/dev/null) && [ "$d" != "{former}" ] && xenstore-exists /local/domain/$d/data/vchan/0/{XlGuest.ChannelName.Replace('.', '-')}/ring-ref
        do usleep 200000
        done
        echo $d
        """);

    private async Task AssertGoneAsync(RunningMachine machine)
    {
        Assert.False(machine.IsRunning);
        Assert.Null(InstanceMachines.Find(State, Name));
        Assert.Equal("", await Dom0.ShAsync($"xl list | grep {Name}; losetup -a | grep {Disk}"));
        Assert.False(Directory.Exists(At($"state/machines/{Name}")));
    }
}
