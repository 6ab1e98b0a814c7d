using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>How a QEMU is started and ended, by a script in its place and a monitor of the test's.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QemuGuestTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly QmpDouble _monitor;

    public QemuGuestTests()
    {
        Directory.CreateDirectory(_folder.At("vm"));
        _monitor = new QmpDouble(_folder.At("vm", "qmp.sock"))
        {
            // A quit that is not understood is ended by force, at once.
            Answer = static (command, id) => command == "quit" ? "[]\n" : QmpDouble.Return(id, command == "query-migrate" ? "{\"status\": \"completed\"}" : "{}"),
        };
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public async ValueTask DisposeAsync()
    {
        await _monitor.DisposeAsync();
        _folder.Dispose();
    }

    private QemuOptions Options(string script = "exec sleep 1000") => new()
    {
        Program = _folder.Write("qemu", $"#!/bin/sh\n{script}\n", isScript: true),
        Folder = _folder.At("vm"),
        Accelerator = "tcg",
    };

    private async Task<string> WrittenAsync(string name)
    {
        while (true)
        {
            if (File.Exists(_folder.At(name)) && await File.ReadAllTextAsync(_folder.At(name), Soon) is { Length: > 0 } text && text.EndsWith('\n'))
            {
                return text;
            }

            await Task.Delay(5, Soon);
        }
    }

    [Theory]
    [InlineData("[]\n")]
    [InlineData("no JSON\n")]
    [InlineData(null)]
    public async Task A_machine_is_ended_by_force_for_any_answer_of_its_monitor(string? answer)
    {
        var place = _folder.At("pids");
        var guest = await QemuGuest.StartAsync(Options($"trap '' TERM INT HUP\nsetsid sh -c 'echo $$ >>{place}; exec sleep 1000' &\nwait $!; exec sleep 1000"), Soon);
        var child = int.Parse(await WrittenAsync("pids"), System.Globalization.CultureInfo.InvariantCulture);
        Assert.NotNull(ProcessIdentity.Of(child));
        _monitor.Answer = (_, _) => answer;
        await guest.EndAsync(TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(20));
        Assert.True(guest.Exited.IsCompleted);
        Assert.False(guest.Process!.Value.IsRunning);
        await guest.DisposeAsync();
        Assert.Null(ProcessIdentity.Of(child));
    }

    [Fact]
    public async Task What_a_machine_has_left_behind_in_its_control_group_ends_with_it()
    {
        var place = _folder.At("pids");
        await using var guest = await QemuGuest.StartAsync(Options($"(setsid sh -c 'echo $$ >>{place}; exec sleep 1000' &)\nexec sleep 1000"), Soon);
        var child = int.Parse(await WrittenAsync("pids"), System.Globalization.CultureInfo.InvariantCulture);
        if (guest.ControlGroups.Count == 0)
        {
            // A machine without control groups: only the tree can be ended.
            ProcessIdentity.Of(child)?.Kill();
            Assert.Null(Cgroup.Create("probe", 10));
            return;
        }

        Assert.All(guest.ControlGroups, group => Assert.True(Directory.Exists(group)));
        await guest.DisposeAsync();
        Assert.Null(ProcessIdentity.Of(child));
        Assert.All(guest.ControlGroups, group => Assert.False(Directory.Exists(group)));
    }

    [Fact]
    public async Task A_machine_sees_nothing_of_its_managers_environment()
    {
        Environment.SetEnvironmentVariable("CHANNELSDK_TEST_SECRET", "MARKED");
        try
        {
            await using var guest = await QemuGuest.StartAsync(Options($"env >{_folder.At("seen")}; exec sleep 1000") with
            {
                Environment = new Dictionary<string, string> { ["GIVEN"] = "yes" },
            }, Soon);
            var names = (await WrittenAsync("seen")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=')[0]);
            Assert.Equal([], names.Except(["PATH", "TMPDIR", "LC_ALL", "GIVEN", "PWD", "_", "SHLVL", "OLDPWD"]));
            Assert.Contains("GIVEN", names);
        }
        finally
        {
            Environment.SetEnvironmentVariable("CHANNELSDK_TEST_SECRET", null);
        }
    }

    [Fact]
    public async Task A_machine_that_writes_without_end_costs_no_memory_and_is_told_of_in_a_line()
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => QemuGuest.StartAsync(
            Options("head -c 8000000 /dev/zero | tr '\\0' x >&2; exit 3") with { Folder = _folder.At("vm") + "2" }, Soon));
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.StartsWith("QEMU ended at once with code 3: xxx", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Message.Length, 100, 5000);
    }

    [Fact]
    public async Task A_machine_that_ends_when_its_monitor_was_reached_is_told_of_in_its_own_words()
    {
        _monitor.Greeting = "";
        var starting = QemuGuest.StartAsync(Options($"trap 'printf \"qemu: -device x: no lock\\nIs another process using the image?\\n\" >&2; exit 1' USR1\necho $$ >{_folder.At("pid")}\nwhile :; do sleep 0.01; done"), Soon);
        await _monitor.ConnectedAsync(Soon);
        Assert.Equal(0, ProcessCalls.Kill(int.Parse(await WrittenAsync("pid"), System.Globalization.CultureInfo.InvariantCulture), 10));
        _monitor.HangUp();
        var error = await Assert.ThrowsAsync<ChannelException>(() => starting);
        Assert.Equal((ChannelError.TransportFailed, "QEMU ended at once with code 1: qemu: -device x: no lock; Is another process using the image?"), (error.Code, error.Message));
    }

    [Fact]
    public async Task Of_a_machines_output_only_a_bounded_part_is_kept()
    {
        const int kept = 16 << 20;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var process = QemuProcess.Start(Options("head -c 64000000 /dev/zero | tr '\\0' x >&2; exit 3"), _folder.At("vm"));
        await process.Exited.WaitAsync(Soon);
        Assert.InRange((await process.EndedAsync()).Message.Length, 100, 5000);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, kept);
        GC.KeepAlive(process);
    }

    [Fact]
    public async Task A_state_file_is_handed_over_open_and_its_name_is_in_no_command()
    {
        var path = _folder.At("a b; touch c, \"d\"");
        await using (var guest = await QemuGuest.StartAsync(Options(), Soon))
        {
            Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(() => guest.SaveAsync(_folder.At("no", "folder"), cancellationToken: Soon))).Code);
            await guest.SaveAsync(path, cancellationToken: Soon);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        await using var other = await QemuGuest.StartAsync(Options() with { RestoreFrom = path }, Soon);
        Assert.Contains(_monitor.Lines, line => line.Contains("\"migrate\"", StringComparison.Ordinal) && line.Contains("\"fd:state\"", StringComparison.Ordinal));
        Assert.Contains(_monitor.Lines, line => line.Contains("\"migrate-incoming\"", StringComparison.Ordinal) && line.Contains("\"fd:state\"", StringComparison.Ordinal));
        Assert.DoesNotContain(_monitor.Lines, line => line.Contains("touch", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_vsock_sockets_path_is_one_value_of_a_command()
    {
        await using var guest = await QemuGuest.StartAsync(Options(), Soon);
        await guest.PlugVsockAsync("/tmp/a\"},\"x\":{\"b\":\"\\", Soon);
        var line = _monitor.Lines.Single(line => line.Contains("chardev-add", StringComparison.Ordinal));
        var data = System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("arguments").GetProperty("backend").GetProperty("data");
        Assert.Equal("/tmp/a\"},\"x\":{\"b\":\"\\", data.GetProperty("addr").GetProperty("data").GetProperty("path").GetString());
    }

    [Fact]
    public void Values_of_the_command_line_cannot_become_options()
    {
        var options = Options() with
        {
            PortName = "a,nr=9",
            VsockSocket = "/tmp/v,x",
            Network = new QemuNetwork.User("/opt/my tools/f'w", "/tmp/a b,c"),
            RestoreFrom = "/tmp/s; reboot",
        };
        var arguments = QemuArguments.Of(options, "/tmp/f,o", new QemuDescriptors()).ToList();
        Assert.Contains("socket,id=channel,path=/tmp/f,,o/channel.sock,server=on,wait=off", arguments);
        Assert.Contains("virtserialport,bus=vs0.0,nr=1,chardev=channel,name=a,,nr=9,id=port0", arguments);
        Assert.Contains("socket,id=vsock0,path=/tmp/v,,x", arguments);
        Assert.Contains(arguments, a => a.EndsWith("-cmd:'/opt/my tools/f'\\''w' '/tmp/a b,,c'", StringComparison.Ordinal));
        Assert.DoesNotContain(arguments, a => a.Contains("reboot;", StringComparison.Ordinal) || a.StartsWith("exec:", StringComparison.Ordinal));
        Assert.Contains("on,obsolete=deny,elevateprivileges=allow,spawn=allow,resourcecontrol=deny", arguments);
        Assert.Contains("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", QemuArguments.Of(options with { Network = null }, "/tmp", new QemuDescriptors()));
        Assert.DoesNotContain("-sandbox", QemuArguments.Of(options with { Sandbox = false }, "/tmp", new QemuDescriptors()));
        using var files = new QemuDescriptors();
        var confined = QemuArguments.Of(Options() with { RunAs = new QemuUser(7, 8) }, _folder.Path, files).ToList();
        Assert.Equal(["setpriv", "--reuid=7", "--regid=8", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--", options.Program], confined.Take(9));
        Assert.Contains("socket,id=console,fd=3,server=on,wait=off", confined);
        Assert.Contains("socket,id=channel,fd=5,server=on,wait=off", confined);
        Assert.DoesNotContain(confined, argument => argument.Contains(".sock", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_token_of_a_user_network_is_given_by_a_file_that_is_gone_once_the_machine_runs()
    {
        using var token = UserNetToken.Create(_folder.At("a,token"));
        var options = Options() with { Network = new QemuNetwork.User("/f", "/s", TokenFile: _folder.At("a,token")) };
        Assert.Contains($"name=opt/org.channelsdk/token,file={_folder.At("a,,token")}", QemuArguments.Of(options, "/tmp", new QemuDescriptors()));
        await using (await QemuGuest.StartAsync(options, Soon))
        {
            Assert.False(File.Exists(_folder.At("a,token")));
        }

        // Also where there is no machine.
        using var other = UserNetToken.Create(_folder.At("a,token"));
        await Assert.ThrowsAsync<ChannelException>(() => QemuGuest.StartAsync(options with { Program = "/no/such/program", Folder = _folder.Path }, Soon));
        Assert.False(File.Exists(_folder.At("a,token")));
    }

    [Fact]
    public async Task A_machine_runs_as_the_user_that_it_is_given()
    {
        if (Environment.UserName != "root")
        {
            // Only root may give a process to another user.
            return;
        }

        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(_folder.At("vm"), (UnixFileMode)0b111_111_111);
        await _monitor.DisposeAsync();
        using var process = QemuProcess.Start(Options($"echo \"$(id -u) $(id -g) $(id -G)\" >{_folder.At("vm", "seen")}; exec sleep 1000") with { RunAs = new QemuUser(65533, 65532) }, _folder.At("vm"));
        Assert.Equal("65533 65532 65532\n", await WrittenAsync("vm/seen"));
        await process.KillAsync(TimeSpan.FromSeconds(20));
    }
}
