using System.Diagnostics;
using System.Text.Json;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>channelctl instance, install and half as a person or a script runs them.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class InstallToolTests
{
    private static Task<(int Code, string Out, string Error)> RunAsync(string? input, params string[] arguments) =>
        RunProgramAsync(Path.Combine(AppContext.BaseDirectory, "channelctl"), input, arguments);

    /// <summary>A line of a shell, which finds channelctl.</summary>
    private static Task<(int Code, string Out, string Error)> RunShellAsync(string? input, string line) =>
        RunProgramAsync("/bin/sh", input, "-c", $"PATH={AppContext.BaseDirectory}:$PATH; {line}");

    private static async Task<(int Code, string Out, string Error)> RunProgramAsync(string program, string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(InstallRig.Soon);
        var error = process.StandardError.ReadToEndAsync(InstallRig.Soon);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync(InstallRig.Soon);
        return (process.ExitCode, await output, await error);
    }

    [Fact]
    public async Task A_record_is_set_changed_shown_and_removed()
    {
        using var folder = new TestFolder();
        var key = folder.Write("key", "MARKED-PRIVATE\n");
        string[] At(params string[] words) => [.. words, "--state", folder.Path];
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--mode", "install", "--os", "debian", "--parameter", "hostname=guest", "--private", $"license={key}", "--secret", "password")));
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--communication", "true", "--unset", "hostname", "--hv", "kernel_path=/boot/vmlinuz", "--be", "maxmem=512")));
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--hypervisor", "xen-pvm", "--be", "maxmem=1024", "--nic", "mac=aa:00:00:12:34:56,ip=192.0.2.7,mode=routed,link=100,network=lan")));
        var shown = await RunAsync(null, At("instance", "show", "vm1"));
        Assert.Contains("\"mode\": \"install\"", shown.Out);
        Assert.Contains("\"class\": \"private\"", shown.Out);
        Assert.Contains("\"class\": \"secret\"", shown.Out);
        Assert.Contains("\"os_definition\": \"debian\"", shown.Out);
        Assert.Contains("\"communication\": true", shown.Out);
        Assert.Contains("\"hypervisor\": \"xen-pvm\"", shown.Out);
        Assert.Contains("\"kernel_path\": \"/boot/vmlinuz\"", shown.Out);
        Assert.Contains("\"maxmem\": \"1024\"", shown.Out);
        string[] nic = ["\"mac\": \"aa:00:00:12:34:56\"", "\"ip\": \"192.0.2.7\"", "\"mode\": \"routed\"", "\"link\": \"100\"", "\"network\": \"lan\""];
        Assert.All(nic, text => Assert.Contains(text, shown.Out));
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--nic", "")));
        Assert.DoesNotContain("nics", (await RunAsync(null, At("instance", "show", "vm1"))).Out);
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--memory", "2048", "--cpus", "3", "--disk", "/srv/vm1.img", "--disk", "/srv/vm1-data.img:qcow2")));
        var machine = (await RunAsync(null, At("instance", "show", "vm1"))).Out;
        string[] hardware = ["\"maxmem\": \"2048\"", "\"vcpus\": \"3\"", "\"path\": \"/srv/vm1.img\"", "\"path\": \"/srv/vm1-data.img\"", "\"format\": \"qcow2\""];
        Assert.All(hardware, text => Assert.Contains(text, machine));
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--disk", "")));
        Assert.DoesNotContain("disks", (await RunAsync(null, At("instance", "show", "vm1"))).Out);
        Assert.DoesNotContain("hostname", shown.Out);
        Assert.DoesNotContain("MARKED", shown.Out);
        Assert.Equal("vm1\n", (await RunAsync(null, At("instance", "list"))).Out);
        Assert.Equal(0, (await RunAsync(null, At("instance", "remove", "vm1"))).Code);
        var gone = await RunAsync(null, At("instance", "show", "vm1"));
        Assert.Equal(4, gone.Code);
        Assert.Contains("vm1 has no record", gone.Error);
    }

    [Theory]
    [InlineData("--mirror", "deb.debian.org", "--mirror takes an http or https URL")]
    [InlineData("--mirror", "https://deb.debian.org/debian/", "its path cannot be checked")]
    [InlineData("--mirror-network", "10.1", "--mirror-network takes an address")]
    public async Task A_mirror_that_is_none_is_told(string option, string value, string why)
    {
        using var rig = new InstallRig();
        var (code, _, error) = await RunAsync(null, "install", "create", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), option, value);
        Assert.NotEqual(0, code);
        Assert.Contains(why, error);
    }

    [Fact]
    public async Task An_install_takes_a_secret_from_standard_input_and_tells_how_it_ended()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n[ \"$OSP_PASSWORD\" = MARKED-SECRET ] || exit 9\nchannelctl half progress 50 half\nchannelctl half result 'it is done'\n");
        string[] create = ["install", "create", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), "--secret", "password=-"];
        var good = await RunAsync("MARKED-SECRET\n", create);
        Assert.Equal((0, ""), (good.Code, good.Error));
        Assert.Contains("50.0 %: half", good.Out);
        Assert.Contains("trusted   result: it is done\n", good.Out);
        Assert.Contains("vm1: Succeeded", good.Out);
        var bad = await RunAsync("other", create);
        Assert.Equal(5, bad.Code);
        Assert.Contains("Failed: the half on the host failed (exit code 9)", bad.Out);
        Assert.Contains("password is secret, and its value was not given", (await RunAsync(null, create[..^2])).Error);
        var list = (await RunAsync(null, "install", "list", "--state", rig.State)).Out.Split('\n');
        Assert.Contains(" Failed ", list[0]);
        Assert.Contains(" Succeeded", list[1]);
        Assert.Contains("50.0 %: half", (await RunAsync(null, "install", "log", list[1][..10], "--state", rig.State)).Out);
        Assert.Equal(5, (await RunAsync(null, "install", "watch", list[0][..32], "--state", rig.State)).Code);
        Assert.All(rig.Files(), f => Assert.DoesNotContain("MARKED-SECRET", f.Content));
    }

    [Fact]
    public async Task The_JSON_of_an_install_begins_with_the_operation_and_its_log_and_has_the_result_of_a_half()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\nchannelctl half result done\n");
        var told = await RunAsync(null, "install", "create", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), "--json");
        Assert.Equal((0, ""), (told.Code, told.Error));
        var events = told.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        var operation = rig.Open().List().Single().Operation;
        Assert.Equal(("begun", operation, "vm1"), (events[0].GetProperty("kind").GetString(), events[0].GetProperty("operation").GetString(), events[0].GetProperty("instance").GetString()));
        Assert.Contains($"operation {operation} on vm1, log ", await File.ReadAllTextAsync(events[0].GetProperty("log_file").GetString()!));
        var result = events.Single(e => e.GetProperty("kind").GetString() == "half_result");
        Assert.Equal(("Trusted", "done"), (result.GetProperty("party").GetString(), result.GetProperty("text").GetString()));
        Assert.Equal("done"u8, result.GetProperty("content").GetBytesFromBase64());
    }

    [Fact]
    public async Task A_record_is_renamed_or_removed_unless_an_operation_runs_or_the_name_is_taken()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\nsleep 1000\n");
        string[] rename = ["instance", "rename", "vm1", "vm2", "--state", rig.State];
        var operation = rig.Start();
        foreach (var command in (string[][])[rename, ["instance", "remove", "vm1", "--state", rig.State]])
        {
            var busy = await RunAsync(null, command);
            Assert.Equal(4, busy.Code);
            Assert.Contains($"the operation {operation.Id} (create) on vm1 is under way", busy.Error);
        }

        Assert.Equal((0, "", ""), await RunAsync(null, "instance", "set", "vm1", "--communication", "true", "--state", rig.State));
        operation.Cancel();
        await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal((0, "", ""), await RunAsync(null, rename));
        Assert.Equal(["vm2"], rig.Records.List());
        Assert.Contains("vm1 has no record; these have: vm2", (await RunAsync(null, rename)).Error);
        rig.Records.Put(rig.Records.Get("vm2") with { Name = "vm1" });
        Assert.Contains("vm2 has a record already", (await RunAsync(null, rename)).Error);
        await File.WriteAllTextAsync(rig.At("state", "records", "vm1.json"), "damaged");
        Assert.Equal((0, "", ""), await RunAsync(null, "instance", "remove", "vm1", "--state", rig.State));
        Assert.Equal(["vm2"], rig.Records.List());
    }

    [Fact]
    public async Task A_full_disk_is_told_in_a_line_and_leaves_no_operation_behind()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        // A small disk in place of the state's folder.
        var result = await RunShellAsync(null, $"""
            exec unshare -m sh -c '
            mount -t tmpfs -o size=128k t {rig.State}
            channelctl instance set vm1 --mode install --os os --state {rig.State}
            cat /dev/zero 2>/dev/null >{rig.State}/fill
            channelctl install create vm1 --state {rig.State} --definitions {rig.At("definitions")}
            echo code $?
            rm {rig.State}/fill
            ls {rig.State}/operations
            channelctl install create vm1 --state {rig.State} --definitions {rig.At("definitions")} >/dev/null
            channelctl install list --state {rig.State} | wc -l'
            """);
        Assert.Equal($"channelctl: the operation cannot begin in {rig.State}/operations: no space left on device (FailedPrecondition, Retry)\n", result.Error);
        Assert.Equal("code 4\n1\n", result.Out);
    }

    [Fact]
    public async Task A_disk_that_becomes_full_fails_the_operation_with_that_reason()
    {
        using var rig = new InstallRig();
        rig.Write("os/verify", $"#!/bin/sh\ncat /dev/zero 2>/dev/null >{rig.State}/fill\ntrue\n");
        rig.Write("os/create", "#!/bin/sh\n");
        var result = await RunShellAsync(null, $"""
            exec unshare -m sh -c '
            mount -t tmpfs -o size=128k t {rig.State}
            channelctl instance set vm1 --mode install --os os --state {rig.State}
            channelctl install create vm1 --state {rig.State} --definitions {rig.At("definitions")}
            echo code $?
            rm {rig.State}/fill
            channelctl install list --state {rig.State}'
            """);
        Assert.Contains("journal.json cannot be written: no space left on device", result.Out);
        Assert.Contains("code 5\n", result.Out);
        Assert.Contains(" Interrupted ", result.Out);
        Assert.Equal("", result.Error);
    }

    [Fact]
    public async Task An_export_to_standard_output_can_be_piped_into_an_import()
    {
        using var rig = new InstallRig();
        rig.Write("os/export", "#!/bin/sh\ncat \"$EXPORT_DEVICE\"\n");
        rig.Write("os/import", "#!/bin/sh\ncat > \"$IMPORT_DEVICE\"\n");
        File.WriteAllText(rig.At("one"), "the first disk");
        File.WriteAllText(rig.At("two"), "");
        string[] export = ["install", "export", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), "--disk", rig.At("one")];
        var piped = await RunAsync(null, [.. export, "--to", "-"]);
        Assert.Equal((0, "the first disk"), (piped.Code, piped.Out));
        Assert.Contains("disk 0: 14 bytes, sha256 ", piped.Error);
        Assert.Contains("vm1: Succeeded", piped.Error);
        var json = await RunAsync(null, [.. export, "--to", "-", "--json"]);
        Assert.Equal("the first disk", json.Out);
        Assert.Contains("\"kind\":\"data\"", json.Error);

        var file = await RunAsync(null, [.. export, "--to", rig.At("dump.gz"), "--compress", "gzip"]);
        Assert.Equal((0, ""), (file.Code, file.Error));
        Assert.Equal([0x1F, 0x8B], File.ReadAllBytes(rig.At("dump.gz"))[..2]);
        string[] import = ["install", "import", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), "--disk", rig.At("one"), "--disk", rig.At("two")];
        var back = await RunAsync("given by the pipe", [.. import, "--from", rig.At("dump.gz"), "--from", rig.At("dump.gz"), "--compress", "gzip"]);
        Assert.Equal((0, "the first disk"), (back.Code, File.ReadAllText(rig.At("two"))));
        back = await RunAsync("given by the pipe", [.. import, "--from", rig.At("dump.gz"), "--from", "-"]);
        Assert.Equal((0, "given by the pipe"), (back.Code, File.ReadAllText(rig.At("two"))));
    }

    [Fact]
    public async Task A_passed_deadline_has_the_exit_code_of_timeout()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\nsleep 1000\n");
        var result = await RunAsync(null, "install", "create", "vm1", "--state", rig.State, "--definitions", rig.At("definitions"), "--deadline", "1");
        Assert.Equal(124, result.Code);
        Assert.Contains("the deadline of 1 s passed", result.Out);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    public async Task A_signal_that_asks_the_tool_to_end_cancels_the_operation(int signal)
    {
        using var rig = new InstallRig();
        using var tool = await StartSleeperAsync(rig);
        var rest = tool.StandardOutput.ReadToEndAsync(InstallRig.Soon);
        Assert.Equal(0, ProcessCalls.Kill(tool.Id, signal));
        await tool.WaitForExitAsync(InstallRig.Soon);
        Assert.Equal(128 + signal, tool.ExitCode);
        Assert.Contains("vm1: Cancelled: it was cancelled in the phase Running", await rest);
        Assert.Equal(InstallOutcome.Cancelled, rig.Open().List().Single().Outcome);
        Assert.Null(ProcessIdentity.Of(Child(rig)));
    }

    [Fact]
    public async Task A_script_does_not_outlive_a_tool_that_is_killed()
    {
        using var rig = new InstallRig();
        using var tool = await StartSleeperAsync(rig);
        tool.Kill();
        await tool.WaitForExitAsync(InstallRig.Soon);
        // Before anybody opens the folder again.
        for (var end = InstallRig.Soon; ProcessIdentity.Of(Child(rig)) is { IsRunning: true };)
        {
            await Task.Delay(5, end);
        }

        Assert.Equal(InstallOutcome.Interrupted, Assert.Single(rig.Open().Interrupted).Outcome);
    }

    /// <summary>An install whose script, and what it has started, end by no signal that can be ignored.</summary>
    private static async Task<Process> StartSleeperAsync(InstallRig rig)
    {
        rig.Write("os/create", $"#!/bin/sh\ntrap '' HUP TERM INT\nsleep 1000 &\necho $! >{rig.At("child")}\necho begun\nwait\n");
        var tool = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "channelctl"), ["install", "create", "vm1", "--state", rig.State, "--definitions", rig.At("definitions")])
        {
            RedirectStandardOutput = true,
        })!;
        for (var line = ""; !line!.Contains("out| begun", StringComparison.Ordinal);)
        {
            line = await tool.StandardOutput.ReadLineAsync(InstallRig.Soon);
            Assert.NotNull(line);
        }

        return tool;
    }

    private static int Child(InstallRig rig) => int.Parse(File.ReadAllText(rig.At("child")), System.Globalization.CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(2, "--secret takes NAME=", "install", "create", "vm1", "--secret", "x")]
    [InlineData(2, "the secret cannot be read", "install", "create", "vm1", "--secret", "x=/nonexistent")]
    [InlineData(2, "go together", "install", "create", "vm1", "--package-user", "x")]
    [InlineData(2, "is no appliance", "install", "create", "vm1", "--appliance", "/nonexistent")]
    [InlineData(4, "vm1 has no record", "install", "create", "vm1")]
    [InlineData(4, "there is no operation 'xyz'", "install", "watch", "xyz")]
    [InlineData(2, "--mode takes", "instance", "set", "vm1", "--mode", "fly")]
    [InlineData(2, "--nic takes NAME=..., not 'br0'", "instance", "set", "vm1", "--nic", "br0")]
    [InlineData(2, "it has no part 'bus'; it is", "instance", "set", "vm1", "--nic", "mac=aa:00:00:12:34:56,bus=1")]
    [InlineData(2, "'flying' is no mode", "instance", "set", "vm1", "--nic", "mac=aa:00:00:12:34:56,mode=flying")]
    [InlineData(2, "'' is no hardware address", "instance", "set", "vm1", "--nic", "ip=192.0.2.7")]
    [InlineData(2, "'--new-name' is required", "install", "rename", "vm1")]
    [InlineData(2, "--to can be - once only", "install", "export", "vm1", "--to", "-", "--to", "-")]
    [InlineData(2, "the URL of a disk's data: it must be an absolute URL", "install", "import", "vm1", "--from", "ftp://x/y")]
    [InlineData(2, "--compress takes gzip|none, not 'xz'", "install", "import", "vm1", "--compress", "xz")]
    public async Task A_mistake_gets_one_clear_line_and_its_exit_code(int code, string named, params string[] arguments)
    {
        using var folder = new TestFolder();
        var result = await RunAsync(null, [.. arguments, "--state", folder.Path]);
        Assert.Contains(named, result.Error);
        Assert.Equal(code, result.Code);
        Assert.DoesNotContain("   at ", result.Error);
    }

    [Theory]
    [InlineData("MARKED\n\n", "MARKED\n")]
    [InlineData("\uFEFFMARKED\u00e4", "\uFEFFMARKED\u00e4")]
    [InlineData("", "")]
    public async Task A_private_value_is_taken_as_it_is_from_wherever_a_secret_may_come(string given, string stored)
    {
        using var folder = new TestFolder();
        var file = folder.Write("value", given);
        foreach (var source in (string[])["-", "fd:0", "fd:5", file])
        {
            var result = await RunShellAsync(given, $"exec channelctl instance set vm1 --private key={source} --state {folder.Path} 5<{file}");
            Assert.Equal((0, "", ""), result);
            Assert.Equal(stored, new InstanceRecordStore(folder.At("records")).Get("vm1").Parameters["key"].Reveal());
            folder.Write("records/vm1.json", "{}");
        }
    }

    [Fact]
    public async Task A_private_value_that_is_no_text_or_too_long_is_refused()
    {
        using var folder = new TestFolder();
        await File.WriteAllBytesAsync(folder.At("latin"), [.. "p"u8, 0xe4, .. "ss"u8]);
        string[] set = ["instance", "set", "vm1", "--state", folder.Path, "--private"];
        var result = await RunAsync(null, [.. set, $"key={folder.At("latin")}"]);
        Assert.Equal((2, true), (result.Code, result.Error.Contains("the value of a private parameter is not valid UTF-8 at byte 1", StringComparison.Ordinal)));
        Assert.Contains("longer than the 65536 bytes", (await RunAsync(new string('x', 65537), [.. set, "key=-"])).Error);
        Assert.Contains("cannot be read: there is no such file", (await RunAsync(null, [.. set, "key=/nonexistent"])).Error);
        Assert.Empty(new InstanceRecordStore(folder.At("records")).List());
    }

    [Fact]
    public async Task A_descriptor_that_was_not_given_to_the_command_is_refused()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n[ \"$OSP_PASSWORD\" = MARKED ]\n");
        var create = $"channelctl install create vm1 --state {rig.State} --definitions {rig.At("definitions")} --secret password=fd:";
        // The runtime has some of them open for itself.
        foreach (var number in (int[])[3, 5, 8, 9, 12, 20, 255])
        {
            var result = await RunShellAsync("", $"exec {create}{number}");
            Assert.Equal(2, result.Code);
            Assert.Contains($"descriptor {number} was not given to this command", result.Error);
        }

        Assert.Equal(0, (await RunShellAsync("MARKED\n", $"{create}7 7<&0")).Code);
    }

    [Fact]
    public async Task An_appliance_is_built_by_the_script_with_what_it_is_given()
    {
        using var folder = new TestFolder();
        var script = folder.Write("build", "#!/bin/sh\necho \"$@\"\n[ \"$2\" != bad ]\n", isScript: true);
        var good = await RunAsync(null, "appliance", "build", "--script", script, "--output", "good", "--hooks", "a", "--hooks", "b", "--agent", "c", "--kind", "debian");
        Assert.Equal((0, "--kind debian --output good --agent c --hooks a --hooks b\n"), (good.Code, good.Out));
        var locked = await RunAsync(null, "appliance", "build", "--script", script, "--cache", "d", "--lock", "e", "--mirror", "f", "--mirror", "g", "--update", "--agent", "c");
        Assert.Equal((0, "--agent c --cache d --lock e --update --mirror f --mirror g\n"), (locked.Code, locked.Out));
        Assert.Equal(5, (await RunAsync(null, "appliance", "build", "--script", script, "--output", "bad")).Code);
        var none = await RunAsync(null, "appliance", "build", "--script", folder.At("none"));
        Assert.Equal(2, none.Code);
        Assert.Contains("none cannot be started", none.Error);
    }

    [Fact]
    public async Task The_verbs_of_scripts_say_that_there_is_no_operation()
    {
        Assert.Equal(2, (await RunAsync(null, "half")).Code);
        Assert.Contains("barrier NAME", (await RunAsync(null, "half")).Error);
        var result = await RunAsync(null, "half", "progress", "10");
        Assert.Equal(3, result.Code);
        Assert.Contains("CHANNELSDK_HALF is not set", result.Error);
        Assert.Equal(0, (await RunAsync(null, "half", "--help")).Code);
    }
}
