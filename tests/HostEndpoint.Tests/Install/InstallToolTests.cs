using System.Diagnostics;
using System.Text.Json;
using ChannelSdk.Install.Events;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>channelctl instance, install and half as a person or a script runs them.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class InstallToolTests
{
    private static async Task<(int Code, string Out, string Error)> RunAsync(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "channelctl")) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
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
        Assert.Contains("\"os_definition\": \"debian\"", shown.Out);
        Assert.Contains("\"communication\": true", shown.Out);
        Assert.Contains("\"hypervisor\": \"xen-pvm\"", shown.Out);
        Assert.Contains("\"kernel_path\": \"/boot/vmlinuz\"", shown.Out);
        Assert.Contains("\"maxmem\": \"1024\"", shown.Out);
        string[] nic = ["\"mac\": \"aa:00:00:12:34:56\"", "\"ip\": \"192.0.2.7\"", "\"mode\": \"Routed\"", "\"link\": \"100\"", "\"network\": \"lan\""];
        Assert.All(nic, text => Assert.Contains(text, shown.Out));
        Assert.Equal((0, "", ""), await RunAsync(null, At("instance", "set", "vm1", "--nic", "")));
        Assert.DoesNotContain("nics", (await RunAsync(null, At("instance", "show", "vm1"))).Out);
        Assert.DoesNotContain("hostname", shown.Out);
        Assert.DoesNotContain("MARKED", shown.Out);
        Assert.Equal("vm1\n", (await RunAsync(null, At("instance", "list"))).Out);
        Assert.Equal(0, (await RunAsync(null, At("instance", "remove", "vm1"))).Code);
        var gone = await RunAsync(null, At("instance", "show", "vm1"));
        Assert.Equal(4, gone.Code);
        Assert.Contains("vm1 has no record", gone.Error);
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

    [Fact]
    public async Task An_appliance_is_built_by_the_script_with_what_it_is_given()
    {
        using var folder = new TestFolder();
        var script = folder.Write("build", "#!/bin/sh\necho \"$@\"\n[ \"$2\" != bad ]\n", isScript: true);
        var good = await RunAsync(null, "appliance", "build", "--script", script, "--output", "good", "--hooks", "a", "--hooks", "b", "--agent", "c");
        Assert.Equal((0, "--output good --agent c --hooks a --hooks b\n"), (good.Code, good.Out));
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
