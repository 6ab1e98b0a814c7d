using System.Diagnostics;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>channelctl as a person runs it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class ToolTests
{
    private static async Task<(int Code, string Out, string Error)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "channelctl.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var output = process.StandardOutput.ReadToEndAsync(soon.Token);
        var error = process.StandardError.ReadToEndAsync(soon.Token);
        await process.WaitForExitAsync(soon.Token);
        return (process.ExitCode, await output, await error);
    }

    [Fact]
    public async Task The_tool_keeps_to_the_hosts_policy_and_writes_the_record()
    {
        await using var guest = new GuestDouble();
        var folder = Directory.CreateTempSubdirectory("channelsdk-test-");
        var (policy, audit) = (Path.Combine(folder.FullName, "policy.toml"), Path.Combine(folder.FullName, "audit"));
        await File.WriteAllTextAsync(policy, "[services]\nallow = [\"info.*\", \"freeze.*\"]\n");
        Assert.Equal(0, (await RunAsync("info", guest.Uri, "--policy", policy, "--audit", audit)).Code);
        var refused = await RunAsync("shutdown", guest.Uri, "--policy", policy, "--audit", audit);
        Assert.NotEqual(0, refused.Code);
        Assert.Contains("the host's policy does not allow power.Request", refused.Error);
        var line = Assert.Single(await File.ReadAllLinesAsync(audit));
        Assert.Contains($"audit: {guest.Uri}: refused power.Request to the guest", line);
        await File.WriteAllTextAsync(policy, "[services]\nalow = []\nallow = [\"info get\"]\n");
        var wrong = await RunAsync("info", guest.Uri, "--policy", policy);
        Assert.Equal(2, wrong.Code);
        Assert.Equal([$"channelctl: {guest.Uri}: the host's policy {policy}:2: unknown key 'alow' in [services]; did you mean 'allow'?",
            $"channelctl: the host's policy {policy}:3: [services] allow: 'info get' is no method; write \"service.Method\", \"service.*\" or \"*\" (BadConfiguration, Refused)"],
            wrong.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("clock URI --set")]
    [InlineData("freeze URI --lease 30")]
    [InlineData("shutdown URI")]
    [InlineData("trim URI --mount /")]
    public async Task A_record_that_the_disk_has_no_room_for_is_told_once_and_the_call_is_as_it_was(string line)
    {
        await using var guest = new GuestDouble();
        var run = await RunAsync([.. line.Split(' ').Select(word => word == "URI" ? guest.Uri : word), "--audit", "/dev/full"]);
        Assert.Equal(0, run.Code);
        Assert.NotEmpty(run.Out);
        Assert.Equal("channelctl: instance: the audit record cannot be written (no space left on device); calls go on without it\n", run.Error);
    }

    [Fact]
    public async Task Info_ping_and_transfers_work_against_a_guest()
    {
        await using var guest = new GuestDouble();
        var info = await RunAsync("info", guest.Uri);
        Assert.Equal((0, ""), (info.Code, info.Error));
        Assert.Contains("Double", info.Out);
        Assert.DoesNotContain("\u001b[2J", info.Out);
        var json = await RunAsync("info", guest.Uri, "--json");
        Assert.Contains("\"pretty_name\": \"Double\"", json.Out);
        Assert.Contains("3 calls", (await RunAsync("ping", guest.Uri, "--count", "3")).Out);
        Assert.Contains("checksum right", (await RunAsync("send", guest.Uri, "--bytes", "1000000")).Out);
        Assert.Contains("checksum right", (await RunAsync("receive", guest.Uri, "--bytes", "1000000")).Out);
    }

    [Fact]
    public async Task Shutdown_waits_until_the_guest_is_gone()
    {
        await using var guest = new GuestDouble();
        var result = await RunAsync("shutdown", guest.Uri, "--reason", "test", "--wait", "20");
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Contains("gone", result.Out);
    }

    [Fact]
    public async Task Freeze_and_thaw_show_mounts_and_the_lease()
    {
        await using var guest = new GuestDouble();
        var freeze = await RunAsync("freeze", guest.Uri, "--lease", "30", "--mount", "/data", "--mount", "/");
        Assert.Equal((0, ""), (freeze.Code, freeze.Error));
        Assert.Contains("frozen, thaws by itself in 30.0 s", freeze.Out);
        Assert.Contains("/da\\u001b[2Jta (xfs): Frozen", freeze.Out);
        Assert.Equal(["/data", "/"], guest.Frozen!.Mounts);
        Assert.Contains("the host thawed it", (await RunAsync("thaw", guest.Uri)).Out);
        var again = await RunAsync("thaw", guest.Uri);
        Assert.Equal(4, again.Code);
        Assert.Contains("the lease of 1 s ended", again.Error);
        Assert.Equal(0, (await RunAsync("thaw", guest.Uri, "--force")).Code);
    }

    [Fact]
    public async Task A_forced_shutdown_and_the_clock_reach_the_guest()
    {
        await using var guest = new GuestDouble { ClockOffset = TimeSpan.FromHours(1) };
        Assert.Matches(@"guest is \+(3599|3600)\.", (await RunAsync("clock", guest.Uri)).Out);
        Assert.Contains("moved by -3", (await RunAsync("clock", guest.Uri, "--set")).Out);
        var trim = await RunAsync("trim", guest.Uri, "--mount", "/data");
        Assert.Equal((0, "/data: 4096 bytes"), (trim.Code, trim.Out.Trim()));
        Assert.Contains("Shutdown: x (forced)", (await RunAsync("shutdown", guest.Uri, "--force", "--reason", "x")).Out);
    }

    [Fact]
    public async Task Why_names_the_problem()
    {
        await using var guest = new GuestDouble();
        Assert.StartsWith("Ready: ", (await RunAsync("why", guest.Uri)).Out);
        Assert.Equal(0, (await RunAsync("why", guest.Uri)).Code);
        var until = DateTimeOffset.UtcNow.AddMinutes(1);
        guest.Channel.SetState(StateWord.Frozen, until);
        var frozen = await RunAsync("why", guest.Uri);
        Assert.Equal(15, frozen.Code);
        Assert.StartsWith($"Frozen: its file systems are frozen until {until:u}", frozen.Out);
        var never = await RunAsync("why", "unix:///nonexistent/x.sock", "--patience", "0.3");
        Assert.Equal(10, never.Code);
        Assert.StartsWith("NeverConnected: the channel cannot be opened (", never.Out);
        Assert.Contains("/nonexistent/x.sock", never.Out);
        Assert.StartsWith("Dead: ", (await RunAsync("why", guest.Uri, "--qmp", "/nonexistent/qmp.sock")).Out);
    }

    [Fact]
    public async Task A_refusal_has_its_own_exit_code()
    {
        await using var guest = new GuestDouble { PowerRefusal = new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, "power is denied in agent.toml") };
        var result = await RunAsync("halt", guest.Uri);
        Assert.Equal(4, result.Code);
        Assert.Contains("power is denied in agent.toml", result.Error);
    }

    [Theory]
    [InlineData(3, "/nonexistent/x.sock", "info", "unix:///nonexistent/x.sock", "--timeout", "0.5")]
    [InlineData(2, "did you mean 'virtio-serial'?", "info", "virtio-serail:///x")]
    [InlineData(2, "the record /nonexistent/a cannot be written", "info", "unix:///x", "--audit", "/nonexistent/a")]
    [InlineData(2, "--timeout takes 0.01 to 86400 seconds", "info", "unix:///x", "--timeout", "nan")]
    [InlineData(2, "--nonsense", "info", "unix:///x", "--nonsense")]
    [InlineData(2, "--count takes 1", "ping", "unix:///x", "--count", "0")]
    [InlineData(2, "Required argument missing for command: 'info'", "info")]
    [InlineData(2, "begins with guest:", "cp", "unix:///x", "/a", "/b")]
    [InlineData(2, "begins with guest:", "cp", "unix:///x", "guest:/a", "guest:/b")]
    [InlineData(2, "--env takes NAME=value", "exec", "unix:///x", "--env", "x", "--", "true")]
    [InlineData(125, "/nonexistent/x.sock", "exec", "unix:///nonexistent/x.sock", "--timeout", "0.5", "--", "true")]
    public async Task A_mistake_gets_one_clear_line_and_its_exit_code(int code, string named, params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.Equal(code, result.Code);
        Assert.Contains(named, result.Error);
        Assert.DoesNotContain("   at ", result.Error);
    }
}
