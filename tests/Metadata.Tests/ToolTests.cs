using System.Diagnostics;
using ChannelSdk.Cli.Commands;
using ChannelSdk.Host;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.Metadata.Tests;

/// <summary>channelctl metadata as a person runs it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class ToolTests
{
    private const string NoSecret = Samples.Small + "os: {parameters: {arch: {value: amd64, class: public}, key: {value: L-PRIVATE-1, class: private}}}\n";

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "channelctl.dll"));
        start.ArgumentList.Add("metadata");
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(string input, params string[] arguments)
    {
        using var process = Start(arguments);
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var output = process.StandardOutput.ReadToEndAsync(soon.Token);
        var error = process.StandardError.ReadToEndAsync(soon.Token);
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It refused before it read.
        }

        await process.WaitForExitAsync(soon.Token);
        return (process.ExitCode, await output, await error);
    }

    [Fact]
    public async Task Set_merge_and_show_work_on_the_store_that_is_being_served()
    {
        await using var rig = await ServerRig.StartAsync(document: null);
        var store = rig["store"];
        Assert.Equal((0, "vm1: version 1\n", ""), await RunAsync(NoSecret, "set", "vm1", "--store", store));
        Assert.Equal("vm1", await rig.GetAsync("/latest/meta-data/hostname"));
        var waiting = rig.GetAsync("/latest/meta-data/hostname?wait_for_change=true");
        File.WriteAllText(rig["patch.json"], """{"hostname": "vm1-new"}""");
        Assert.Equal((0, "vm1: version 2\n", ""), await RunAsync("", "merge", "vm1", rig["patch.json"], "--store", store));
        Assert.Equal("vm1-new", await waiting);
        var shown = await RunAsync("", "show", "vm1", "--store", store);
        Assert.Contains("\"hostname\": \"vm1-new\"", shown.Out);
        Assert.Contains("amd64", shown.Out);
        Assert.DoesNotContain("L-PRIVATE-1", shown.Out);
    }

    [Fact]
    public async Task What_show_prints_can_be_set_again()
    {
        using var folder = new TestFolder();
        Assert.Equal(0, (await RunAsync(NoSecret, "set", "vm1", "--store", folder.Path)).Code);
        var shown = await RunAsync("", "show", "vm1", "--store", folder.Path);
        Assert.Equal((0, "vm1: version 2\n", ""), await RunAsync(shown.Out, "set", "vm1", "--store", folder.Path));
        using var store = new FolderMetadataStore(folder.Path);
        Assert.Equal("L-PRIVATE-1", store.Find("vm1")!.Metadata.Os.Parameters["key"].Reveal());
    }

    [Fact]
    public async Task The_sample_of_the_documentation_works_with_the_command_above_it()
    {
        using var folder = new TestFolder();
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "ChannelSdk.sln")))
        {
            root = Path.GetDirectoryName(root)!;
        }

        var sample = (await File.ReadAllTextAsync(Path.Combine(root, "docs", "METADATA.md"))).Split("```yaml\n")[1].Split("```")[0];
        Assert.Equal((0, "vm1: version 1\n", ""), await RunAsync(sample, "set", "vm1", "--store", folder.Path));
        using var store = new FolderMetadataStore(folder.Path);
        await File.WriteAllTextAsync(folder["secret"], "hunter2-secret\n");
        await ServedSecrets.PutAsync(store, $"vm1:root_password={folder["secret"]}", CancellationToken.None);
        Assert.Equal("hunter2-secret", store.Find("vm1")!.Metadata.Os.Parameters["root_password"].Reveal());
        Assert.DoesNotContain("hunter2", await File.ReadAllTextAsync(folder["vm1.json"]));
        foreach (var (wrong, told) in new[] { ("vm1:arch=x", "no secret parameter 'arch'"), ("vm2:a=x", "no secret parameter 'a'"), ("vm1=x", "not INSTANCE:NAME=SOURCE"), ("vm1:root_password=/nope", "cannot be read") })
        {
            Assert.Contains(told, (await Assert.ThrowsAsync<ChannelException>(() => ServedSecrets.PutAsync(store, wrong, CancellationToken.None))).Message);
        }
    }

    [Theory]
    [InlineData(1_400_000)]
    [InlineData(5_600_000)]
    public async Task A_document_that_is_too_large_is_told_its_size(int size)
    {
        using var folder = new TestFolder();
        File.WriteAllBytes(folder["large"], new byte[size]);
        var result = await RunAsync("", "set", "vm1", folder["large"], "--store", folder["store"]);
        Assert.Equal((2, true), (result.Code, result.Error.Contains($"it has {size} bytes; 1048576 are allowed", StringComparison.Ordinal)));
        Assert.Contains("it has more than 1048576 bytes", (await RunAsync(new string('x', size), "set", "vm1", "-", "--store", folder["store"])).Error);
    }

    public static TheoryData<string> WrongNames => ["VM_2", "vm_2", "-vm", ".vm", "vm.", "vm..example", "", new string('a', 64), Samples.LongestName + "x"];

    [Theory]
    [MemberData(nameof(WrongNames))]
    public async Task One_rule_for_names_holds_for_networks_stores_servers_and_channels(string name)
    {
        await using var rig = await ServerRig.StartAsync();
        await using var host = new ChannelHost();
        foreach (var use in new Action[]
        {
            () => Transports.LinkLocal.LinkLocalNetwork.Of(name),
            () => rig.Store.Put(name, Samples.Parse(Samples.Small)),
            () => rig.Server.AttachInstance(name),
            () => host.Attach(name, "unix:///run/nothing"),
        })
        {
            var error = Assert.Throws<ChannelException>(use);
            Assert.Equal((ChannelError.BadConfiguration, true), (error.Code, error.Message.Contains("is no instance name: 1 to 253 characters of a-z", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void A_network_is_refused_for_a_name_that_has_no_room_in_its_files_name()
    {
        Assert.Equal(Samples.LongestName[..244], Transports.LinkLocal.LinkLocalNetwork.Of(Samples.LongestName[..244]).Name);
        Assert.Contains("has 253 characters; an instance with a link-local network has at most 244", Assert.Throws<ChannelException>(() => Transports.LinkLocal.LinkLocalNetwork.Of(Samples.LongestName)).Message);
    }

    [Fact]
    public async Task Lines_that_a_guest_causes_in_serve_have_a_rate_and_dropped_ones_are_counted()
    {
        await using var rig = await ServerRig.StartAsync();
        var time = new FakeTimeProvider();
        for (var i = 0; i < 5000; i++)
        {
            rig.Vm1.Progress.Add(new ProgressEvent(0, default, null, new string('\u0001', 64), new string('\u0001', 256), "", ProgressPhase.Start, null, null, new Dictionary<string, string>()));
        }

        var output = new StringWriter();
        using var stop = new CancellationTokenSource();
        // Up to its first pause it runs through.
        var showing = new InstanceLog(rig.Vm1, output, time).ShowProgressAsync(stop.Token);
        var lines = output.ToString().TrimEnd('\n').Split('\n');
        Assert.False(showing.IsCompleted);
        Assert.Equal(InstanceLog.Burst + 2, lines.Length);
        Assert.Equal("vm1: 4744 steps were not shown", lines[0]);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, 512));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => showing);
    }

    [Fact]
    public async Task Watch_prints_each_change()
    {
        await using var rig = await ServerRig.StartAsync();
        using var process = Start("watch", "vm1", "--store", rig["store"]);
        try
        {
            using var soon = new CancellationTokenSource(ServerRig.Soon);
            async Task UntilAsync(string text)
            {
                while (!(await process.StandardOutput.ReadLineAsync(soon.Token))!.Contains(text, StringComparison.Ordinal))
                {
                }
            }

            await UntilAsync("vm1: version 1");
            rig.Store.Merge("vm1", "hostname: seen\n"u8);
            await UntilAsync("vm1: version 2");
            await UntilAsync("\"hostname\": \"seen\"");
        }
        finally
        {
            process.Kill();
        }
    }

    [Theory]
    [InlineData(2, "os.parameters.root_password", "set", "vm1", Samples.Small + "os: {parameters: {root_password: {value: x}}}\n")]
    [InlineData(2, "secret parameter has a value", "set", "vm1", Samples.Full)]
    [InlineData(2, "is there twice", "set", "vm1", "hostname: a\nhostname: b\n")]
    [InlineData(2, "no instance name", "set", "../vm1", Samples.Small)]
    [InlineData(4, "no metadata to merge into", "merge", "vm1", "hostname: a\n")]
    [InlineData(4, "no metadata", "show", "vm1", "")]
    public async Task A_mistake_gets_one_clear_line_and_its_exit_code(int code, string named, string command, string instance, string input)
    {
        using var folder = new TestFolder();
        var result = await RunAsync(input, command, instance, "--store", folder.Path);
        Assert.Equal(code, result.Code);
        Assert.Contains(named, result.Error);
        Assert.DoesNotContain("   at ", result.Error);
        Assert.DoesNotContain("hunter2-secret", result.Error);
    }

    [Fact]
    public async Task A_writer_that_is_killed_at_any_moment_leaves_whole_metadata()
    {
        using var folder = new TestFolder();
        for (var round = 0; round < 6; round++)
        {
            using var process = Start("set", "vm1", "--store", folder.Path);
            var before = Directory.EnumerateFiles(folder.Path).Count();
            await process.StandardInput.WriteAsync(Samples.Small + $"user_data: {new string((char)('a' + round), 700_000)}\n");
            process.StandardInput.Close();
            var watch = Stopwatch.StartNew();
            // At another moment in each round: as soon as the lock, the temporary file or the new file is seen.
            while (!process.HasExited && Directory.EnumerateFiles(folder.Path).Count() < before + 1 + (round % 2) && watch.Elapsed < ServerRig.Soon)
            {
            }

            process.Kill();
            await process.WaitForExitAsync();
            using var store = new FolderMetadataStore(folder.Path);
            Assert.Empty(store.Failures);
            if (store.Find("vm1") is { } found)
            {
                Assert.Single(found.Metadata.UserData!.Value.ToArray().Distinct());
            }
        }

        Assert.Equal("vm1: version", (await RunAsync(Samples.Small, "set", "vm1", "--store", folder.Path)).Out[..12]);
    }
}
