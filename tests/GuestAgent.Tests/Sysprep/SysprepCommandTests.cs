using System.Diagnostics;
using ChannelSdk.GuestAgent.Tests.Namespaces;

namespace ChannelSdk.GuestAgent.Tests.Sysprep;

/// <summary>The command as a builder of images runs it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class SysprepCommandTests : IDisposable
{
    private readonly TemplateTree _tree = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(120));

    public void Dispose()
    {
        _timeout.Dispose();
        _tree.Dispose();
    }

    [Fact]
    public async Task Items_are_kept_and_asked_for_by_name()
    {
        var (history, keys, host) = (_tree.Put("root/.bash_history"), _tree.Put("root/.ssh/authorized_keys"), _tree.Put("etc/hostname"));

        var (code, output, error) = await RunAsync("sysprep", "--root", _tree.Root, "--keep=histories", "--also", "authorized-keys", "--also", "hostname");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("removed 2 entries", output, StringComparison.Ordinal);
        Assert.Equal((true, false, false), (File.Exists(history), File.Exists(keys), File.Exists(host)));
    }

    [Theory]
    [InlineData("--root DIR is needed")]
    [InlineData("'machineid' is no item; did you mean 'machine-id'?", "--keep", "machineid")]
    [InlineData("'--dryrun' is not a flag of sysprep; did you mean '--dry-run'?", "--dryrun")]
    [InlineData("--dry-run takes no value", "--dry-run=yes")]
    [InlineData("--root needs a value", "--root")]
    [InlineData("--root is given twice", "--root", "/a", "--root", "/b")]
    [InlineData("--root /nonexistent: there is no such folder", "--root", "/nonexistent")]
    public async Task A_mistake_is_told_and_nothing_is_removed(string message, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(["sysprep", .. arguments]);

        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith($"channel-agent: {message}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_help_lists_each_item_and_stars_those_that_are_off()
    {
        var (code, output, _) = await RunAsync("sysprep", "--help");

        Assert.Equal(0, code);
        Assert.Contains("    machine-id ", output, StringComparison.Ordinal);
        Assert.Contains("  * authorized-keys ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_mounted_in_a_folder_that_is_emptied_is_left_and_told()
    {
        File.WriteAllText($"{_tree.Outside}/kept", "mine");
        Directory.CreateDirectory($"{_tree.Root}/tmp/mounted");
        _tree.Put("tmp/file");

        // A bind mount is of the same file system.
        var (code, output, error) = await StartAsync(["unshare", "--mount", "--", "/bin/sh", "-ec",
            $"mount --bind {_tree.Outside} {_tree.Root}/tmp/mounted; exec \"$@\"", "sh", .. AgentProcess.Program, "sysprep", "--root", _tree.Root]);

        Assert.Equal(1, code);
        Assert.Contains("removed 1 entries", output, StringComparison.Ordinal);
        Assert.Contains("channel-agent: tmp: cannot remove /tmp/mounted: it is in use: mounted", error, StringComparison.Ordinal);
        Assert.True(File.Exists($"{_tree.Outside}/kept"));
    }

    [Fact]
    public async Task A_run_that_is_killed_is_ended_by_the_next_one()
    {
        const int Files = 30_000;
        Directory.CreateDirectory($"{_tree.Root}/tmp/many");
        for (var i = 0; i < Files; i++)
        {
            File.WriteAllText($"{_tree.Root}/tmp/many/{i}", "");
        }

        var id = _tree.Put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        _tree.Put("var/log/syslog");
        using (var process = Process.Start(Start([.. AgentProcess.Program, "sysprep", "--root", _tree.Root]))!)
        {
            // It is over in a moment, so this thread is not given away.
            while (!process.HasExited && Enumerable.Range(0, Files / 100).All(i => File.Exists($"{_tree.Root}/tmp/many/{i * 100}")))
            {
                Thread.Yield();
            }

            process.Kill();
            await process.WaitForExitAsync(_timeout.Token);
            Assert.Equal(128 + 9, process.ExitCode);
        }

        Assert.True(File.Exists($"{_tree.Root}/var/log/syslog"), "it was killed too late");
        Assert.Equal(0, (await RunAsync("sysprep", "--root", _tree.Root)).Code);
        Assert.Equal(["etc/machine-id"], _tree.Files());
        Assert.Equal(0, new FileInfo(id).Length);
        Assert.Contains("removed 0 entries", (await RunAsync("sysprep", "--root", _tree.Root)).Output, StringComparison.Ordinal);
    }

    private Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => StartAsync([.. AgentProcess.Program, .. arguments]);

    private async Task<(int Code, string Output, string Error)> StartAsync(string[] words)
    {
        using var process = Process.Start(Start(words))!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(_timeout.Token), error = process.StandardError.ReadToEndAsync(_timeout.Token);
        await process.WaitForExitAsync(_timeout.Token);
        return (process.ExitCode, await output, await error);
    }

    private static ProcessStartInfo Start(string[] words) => new(words[0], words.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true };
}
