using System.Diagnostics;
using ChannelSdk.Install.Machines;

namespace ChannelSdk.Guest.Tests;

/// <summary>channelctl instance start, stop, console, status and reinstall with real machines, each as a process of its own.</summary>
[Collection("appliance")]
public sealed class ModeTests : IAsyncLifetime, IDisposable
{
    private readonly ToolFolder _tool = new();
    private readonly Appliance _guest;

    public ModeTests(Appliance guest) => _guest = guest;

    public Task InitializeAsync() => _tool.OkAsync("instance", "set", "vm1", "--memory", "160",
        "--hv", $"kernel_path={_guest.Root}/.cache/guest/vmlinuz", "--hv", $"initrd_path={_guest.Root}/.cache/guest/initrd");

    public Task DisposeAsync() => _tool.RunAsync("instance", "stop", "vm1", "--timeout", "0", "--force");

    public void Dispose() => _tool.Dispose();

    [Theory]
    [InlineData("false", "0")]
    [InlineData("true", "1")]
    public async Task A_machine_in_mode_run_goes_on_by_itself_and_has_a_channel_only_with_communication(string communication, string ports)
    {
        await _tool.OkAsync("instance", "set", "vm1", "--communication", communication);
        var told = await _tool.OkAsync("instance", "start", "vm1");
        var machine = InstanceMachines.Find(_tool.State, "vm1")!;
        Assert.Contains($"vm1 runs, process {machine.Process.Id}, {(machine.ChannelUri is { } uri ? $"channel {uri}" : "no channel")}", told);
        Assert.Contains($"vm1 run running since {machine.Started:u}", await _tool.OkAsync("instance", "status"));
        Assert.Equal(ports, await AskAsync("ls /sys/class/virtio-ports 2>/dev/null | wc -l"));
        Assert.Equal(ports == "1", File.Exists(Path.Combine(_tool.State, "machines/vm1/channel.sock")));
        await RefusedAsync("it cannot run twice", "instance", "start", "vm1");
        await RefusedAsync("its disks are in use", "install", "create", "vm1", "--reinstall");
        await RefusedAsync("for which --force stops it", "instance", "reinstall", "vm1");
        await RefusedAsync("it is found by its name", "instance", "rename", "vm1", "vm2");
        await RefusedAsync("it is stopped by what its record says", "instance", "remove", "vm1");
        if (machine.ChannelUri is { } channel)
        {
            Assert.Contains("5 calls", await _tool.OkAsync("ping", channel, "--timeout", "100"));
            Assert.Equal("vm1 has stopped\n", await _tool.OkAsync("instance", "stop", "vm1"));
        }
        else
        {
            // This guest knows nothing of a power button.
            Assert.Contains("was asked to stop and still runs after 0.5 s; --force", (await _tool.RunAsync("instance", "stop", "vm1", "--timeout", "0.5")).Error);
            Assert.True(machine.IsRunning);
            Assert.Equal("vm1 has stopped\n", await _tool.OkAsync("instance", "stop", "vm1", "--timeout", "0.5", "--force"));
        }

        Assert.False(machine.IsRunning);
        Assert.Equal("vm1 run stopped\n", await _tool.OkAsync("instance", "status", "vm1"));
        Assert.Equal("vm1 did not run\n", await _tool.OkAsync("instance", "stop", "vm1"));
        Assert.False(Directory.Exists(Path.Combine(_tool.State, "machines/vm1")));
        Assert.All(machine.ControlGroups, group => Assert.False(Directory.Exists(group)));
    }

    [Fact]
    public async Task A_machine_that_reboots_starts_again()
    {
        await _tool.OkAsync("instance", "start", "vm1");
        await using var console = await GuestConsole.ConnectAsync(InstanceMachines.Find(_tool.State, "vm1")!.ConsoleSocket!);
        await console.WaitForAsync("GUEST-READY");
        Assert.Equal("160", await console.ShAsync("echo $(( ($(sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo) / 1024 + 40) / 20 * 20 ))"));
        await console.ShAsync("(sleep 1; reboot -f) &");
        await console.WaitForAsync("GUEST-READY");
        Assert.NotNull(InstanceMachines.Find(_tool.State, "vm1"));
    }

    [Fact]
    public async Task A_reinstall_stops_a_machine_by_force_installs_and_starts_it_again()
    {
        _tool.Write("definitions/os/create", $"#!/bin/sh\necho \"$INSTANCE_REINSTALL $DISK_0_PATH\" > {_tool.At("seen")}\n");
        await File.WriteAllBytesAsync(_tool.At("disk.img"), new byte[1 << 20]);
        await _tool.OkAsync("instance", "set", "vm1", "--os", "os", "--disk", _tool.At("disk.img"));
        await _tool.OkAsync("instance", "start", "vm1");
        var former = InstanceMachines.Find(_tool.State, "vm1")!;
        await _tool.OkAsync("instance", "set", "vm1", "--communication", "true");
        // Its own agent or power button would take a minute to be given up.
        Assert.Equal(0, (await _tool.RunAsync("instance", "stop", "vm1", "--timeout", "0", "--force")).Code);
        await _tool.OkAsync("instance", "start", "vm1");
        await _tool.OkAsync("ping", InstanceMachines.Find(_tool.State, "vm1")!.ChannelUri!, "--timeout", "100");
        await _tool.OkAsync("instance", "reinstall", "vm1", "--force", "--definitions", _tool.At("definitions"));
        Assert.Equal($"1 {_tool.At("disk.img")}\n", await File.ReadAllTextAsync(_tool.At("seen")));
        Assert.NotEqual(former.Process, InstanceMachines.Find(_tool.State, "vm1")!.Process);
        Assert.Contains("\"mode\": \"run\"", await _tool.OkAsync("instance", "show", "vm1"));
    }

    [Fact]
    public async Task A_start_in_mode_install_is_a_create()
    {
        _tool.Write("definitions/os/create", $"#!/bin/sh\necho \"$CHANNELSDK_ACTION$INSTANCE_REINSTALL\" > {_tool.At("seen")}\n");
        await _tool.OkAsync("instance", "set", "vm1", "--os", "os", "--mode", "install");
        await _tool.OkAsync("instance", "start", "vm1", "--definitions", _tool.At("definitions"));
        Assert.Equal("create\n", await File.ReadAllTextAsync(_tool.At("seen")));
        Assert.Null(InstanceMachines.Find(_tool.State, "vm1"));
    }

    [Fact]
    public async Task A_network_interface_is_a_port_of_its_bridge()
    {
        await _tool.OkAsync("instance", "set", "vm1", "--nic", "mac=aa:00:00:12:34:56,link=br0");
        var line = $"ip link add br0 type bridge && {AppContext.BaseDirectory}channelctl instance start vm1 --state {_tool.State} && ip -o link show master br0";
        var output = await DiskGuest.RunAsync("unshare", "-n", "sh", "-c", line);
        Assert.Matches("cs[0-9a-f]{8}n0: <[A-Z,_]*UP", output);
        Assert.Equal("aa:00:00:12:34:56", await AskAsync("cat /sys/class/net/eth0/address"));
        await _tool.OkAsync("instance", "stop", "vm1", "--timeout", "0", "--force");
        var refused = await _tool.RunAsync("instance", "start", "vm1");
        Assert.Contains("cannot be joined to br0: ", refused.Error);
        Assert.Null(InstanceMachines.Find(_tool.State, "vm1"));
    }

    /// <summary>What the guest's shell answers by channelctl's console.</summary>
    private async Task<string> AskAsync(string command)
    {
        using var process = Process.Start(ToolFolder.Start("instance", "console", "vm1", "--state", _tool.State))!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        async Task<string> LineAsync(Func<string, bool> isRight)
        {
            while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (isRight(line))
                {
                    return line.Trim();
                }
            }

            throw new InvalidOperationException("the console has ended");
        }

        // Until it takes commands there may be a boot; what is written before is lost.
        await process.StandardInput.WriteAsync("\n");
        for (var asked = LineAsync(static line => line.Contains("READY-" + "NOW", StringComparison.Ordinal)); !asked.IsCompleted; await Task.WhenAny(asked, Task.Delay(200)))
        {
            await process.StandardInput.WriteAsync("echo READY-\"NOW\"\n");
            await process.StandardInput.FlushAsync();
        }

        await process.StandardInput.WriteAsync($"echo \"ANSWER\"-$({command})\n");
        await process.StandardInput.FlushAsync();
        var answer = await LineAsync(static line => line.StartsWith("ANSWER-", StringComparison.Ordinal));
        await process.StandardInput.WriteAsync("\u001d");
        await process.StandardInput.FlushAsync();
        await process.WaitForExitAsync(limit.Token);
        Assert.Equal(0, process.ExitCode);
        return answer["ANSWER-".Length..];
    }

    private async Task RefusedAsync(string why, params string[] arguments)
    {
        var (code, _, error) = await _tool.RunAsync(arguments);
        Assert.Equal(4, code);
        Assert.Contains(why, error);
    }
}
