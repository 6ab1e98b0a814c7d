using System.Diagnostics;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What an operation leaves behind when its script, its host or its agent ends: nothing.</summary>
[Collection("operations that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class InstallEndTests
{
    [Theory]
    [InlineData("reset")]
    [InlineData("session")]
    [InlineData("contract")]
    public async Task A_host_that_goes_takes_everything_along(string how)
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig, script: """
            setsid sleep 1000 & echo $!
            (trap '' TERM HUP; sleep 1000) & echo $!
            """);
        var socket = await InstallScripts.SocketOf(driver);
        int[] left = [.. driver.Output.ToString().Split('\n').SkipLast(1).Where(line => line[0] != '/').Select(int.Parse)];
        Assert.Equal(2, left.Length);
        switch (how)
        {
            case "reset":
                await driver.DisposeAsync();
                break;
            case "session":
                await rig.DetachAsync();
                break;
            default:
                await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
                Assert.Equal(ChannelError.InvalidArgument, (await driver.FailAsync()).Code);
                break;
        }

        await InstallScripts.UntilAsync(rig, () => left.All(InstallScripts.IsGone) && Directory.GetDirectories(rig.RunFolder).Length == 0);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task What_runs_in_the_background_ends_with_the_script()
    {
        await using var rig = new AgentRig();
        // Many, so that some are on their way from one program to the next when they are looked for.
        await using var driver = await InstallDriver.StartAsync(
            rig.Instance.Channel, "for i in $(seq 40); do setsid sleep 1000 >/dev/null 2>&1 & echo $!; done");
        await driver.UntilAsync(InstallMessage.Ended);
        int[] left = [.. driver.Output.ToString().Split('\n').SkipLast(1).Select(int.Parse)];
        Assert.Equal(40, left.Length);
        Assert.DoesNotContain(left, pid => !InstallScripts.IsGone(pid));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    [InlineData(16_383)]
    [InlineData(16_384)]
    [InlineData(1_500_000)]
    public async Task A_process_is_found_by_its_mark_wherever_it_stands_in_its_environment(int before)
    {
        var socket = $"/run/{Guid.NewGuid():N}/half.sock";
        // Some variables before it, and names that only look like it.
        var start = new ProcessStartInfo("/usr/bin/env") { RedirectStandardOutput = true };
        start.ArgumentList.Add("-i");
        foreach (var (name, value) in Filling(before))
        {
            start.ArgumentList.Add($"{name}={value}");
        }

        start.ArgumentList.Add($"X{ScriptVariables.Socket}={socket}");
        using (var other = StartReady(start, $"{ScriptVariables.Socket}={socket}x"))
        using (var meant = StartReady(start, $"{ScriptVariables.Socket}={socket}"))
        {
            InstallProcesses.Kill(socket);
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await meant.WaitForExitAsync(soon.Token);
            Assert.False(other.HasExited);
            other.Kill();
            await other.WaitForExitAsync(soon.Token);
        }
    }

    [Fact]
    public async Task No_process_is_killed_for_having_the_number_of_an_ended_one()
    {
        using var first = Process.Start("/bin/sleep", ["1000"])!;
        // While it is held, it ends, and another process could have the number: the question is asked of that one.
        Assert.False(ProcessMark.Kill(first.Id, () =>
        {
            first.Kill();
            first.WaitForExit();
            return true;
        }));
        using var second = Process.Start("/bin/sleep", ["1000"])!;
        Assert.False(ProcessMark.Kill(second.Id, static () => false));
        Assert.True(ProcessMark.Kill(second.Id, static () => true));
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await second.WaitForExitAsync(soon.Token);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1_500_000)]
    public async Task What_is_between_two_programs_when_it_is_looked_for_is_found_all_the_same(int before)
    {
        var folder = Directory.CreateTempSubdirectory("agent-test-");
        var program = $"{folder.FullName}/again";
        await File.WriteAllTextAsync(program, "#!/bin/sh\nexec \"$0\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        for (var i = 0; i < 40; i++)
        {
            var start = new ProcessStartInfo(program);
            foreach (var (name, value) in Filling(before))
            {
                start.Environment[name] = value;
            }

            start.Environment[ScriptVariables.Socket] = $"{folder.FullName}/half.sock";
            using var process = Process.Start(start)!;
            try
            {
                InstallProcesses.Kill(start.Environment[ScriptVariables.Socket]!);
                using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                await process.WaitForExitAsync(soon.Token);
            }
            finally
            {
                process.Kill();
            }
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task An_agent_that_is_stopped_ends_its_operation_first()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, InstallScripts.MountTarget + "; setsid sleep 1000 >/dev/null & echo $!; wait");
        await driver.UntilAsync(InstallMessage.Output);
        await rig.StopAgentAsync();
        Assert.True(InstallScripts.IsGone(int.Parse(driver.Output.ToString())));
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
        rig.StartAgent();
    }

    [Fact]
    public async Task A_restarted_agent_removes_the_leftovers_of_its_predecessor()
    {
        await using var rig = new AgentRig();
        await rig.StopAgentAsync();
        var folder = $"{rig.RunFolder}/install-0123456789abcdef0123456789abcdef";
        Directory.CreateDirectory(folder);
        var start = new ProcessStartInfo("sleep", "1000");
        start.Environment[ScriptVariables.Socket] = $"{folder}/half.sock";
        using var left = Process.Start(start)!;
        rig.StartAgent();
        await left.WaitForExitAsync(rig.Soon);
        await InstallScripts.UntilAsync(rig, () => !Directory.Exists(folder));
    }

    /// <summary>Variables of so many bytes in all, of 100,000 at most each: execve(2) takes 128 KiB.</summary>
    private static IEnumerable<(string Name, string Value)> Filling(int bytes)
    {
        for (int left = bytes, i = 0; left > 0; left -= 100_000, i++)
        {
            yield return ($"F{i}", new string('x', Math.Min(left, 100_000)));
        }
    }

    /// <summary>Starts a shell with one variable more, and waits until it is that.</summary>
    private static Process StartReady(ProcessStartInfo start, string variable)
    {
        var own = new ProcessStartInfo(start.FileName, [.. start.ArgumentList, variable, "/bin/sh", "-c", "echo; exec /bin/sleep 1000"]) { RedirectStandardOutput = true };
        var process = Process.Start(own)!;
        Assert.Equal("", process.StandardOutput.ReadLine());
        return process;
    }
}
