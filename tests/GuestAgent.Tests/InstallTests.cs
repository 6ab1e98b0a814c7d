using System.Diagnostics;
using System.Text;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Runtime.Halves;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The half of an operation that a real agent runs, driven by raw messages.</summary>
public class InstallTests
{
    [Fact]
    public async Task The_script_finds_its_parameters_and_its_place_in_the_environment()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel,
            """
            echo "$CHANNELSDK_ACTION|$CHANNELSDK_INSTANCE|$OSP_DISK|$OSP_PASSWORD|$DESCRIPTION"
            [ -d "$CHANNELSDK_TARGET" ] && echo target
            stat -c %a . .. create; cat; echo complaint >&2; exit 3
            """,
            request =>
            {
                request.Environment.Add(ByteString.CopyFromUtf8("DESCRIPTION=a b"));
                request.Parameters.Add(new InstallParameter { Name = "disk", Value = ByteString.CopyFromUtf8("/dev/vda") });
                request.Parameters.Add(new InstallParameter { Name = "Password", Class = 2, Value = ByteString.CopyFromUtf8("x=y z") });
            });
        HalfEnded ended = await driver.FinishAsync();
        Assert.Equal((3u, 0u), (ended.Code, ended.Signal));
        Assert.Equal("create|vm 1|/dev/vda|x=y z|a b\ntarget\n700\n700\n500\n", driver.Output.ToString());
        Assert.Equal("complaint\n", driver.Error.ToString());
    }

    [Fact]
    public async Task What_the_script_says_to_its_socket_reaches_the_host()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await Waiting(rig, request =>
            request.Parameters.Add(new InstallParameter { Name = "disk", Value = ByteString.CopyFromUtf8("/dev/vda") }));
        string socket = await SocketOf(driver);

        await driver.Out.WriteAsync(InstallMessage.Message, "from the host"u8.ToArray());
        Assert.Equal("from the host", await ToolAsync(socket, 0, "receive"));
        Assert.Equal(InstallMessage.Taken, (await driver.NextAsync())!.Value.Kind);
        await ToolAsync(socket, 0, "send", "from the guest");
        Assert.Equal("from the guest"u8.ToArray(), await driver.UntilAsync(InstallMessage.Message));
        Task<string> barrier = ToolAsync(socket, 0, "barrier", "mounted");
        Assert.Equal("mounted"u8.ToArray(), await driver.UntilAsync(InstallMessage.Barrier));
        Assert.False(barrier.IsCompleted);
        await driver.Out.WriteAsync(InstallMessage.Barrier, "mounted"u8.ToArray());
        await barrier;
        await ToolAsync(socket, 0, "step", "copy", "40", "80");
        await ToolAsync(socket, 0, "progress", "50", "half of it");
        await ToolAsync(socket, 2, "progress", "900");
        await ToolAsync(socket, 0, "log", "--level", "error", "bad", "block");
        await ToolAsync(socket, 0, "result", "it is done");
        Assert.Equal("/dev/vda", await ToolAsync(socket, 0, "parameter", "disk"));
        await ToolAsync(socket, 8, "parameter", "other");
        await driver.Out.WriteAsync(InstallMessage.Ended, new HalfEnded { Code = 1 });
        await ToolAsync(socket, 6, "receive");
        await ToolAsync(socket, 6, "send", "x");
        GoOn(rig);

        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal([40_000u, 60_000], driver.Progress.Select(p => p.MilliPercent));
        Assert.Equal(("copy", "half of it"), (driver.Progress[1].Steps.Single(), driver.Progress[1].Text));
        Assert.Equal((3u, "bad block"), (driver.Log.Single().Level, driver.Log.Single().Text));
        Assert.Equal("it is done"u8.ToArray(), driver.Result);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task Heartbeats_say_that_the_guest_installs_and_how_far_it_is()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await Waiting(rig);
        await ToolAsync(await SocketOf(driver), 0, "progress", "42.9");
        await StateAsync(rig, StateWord.Installing, 42);
        GoOn(rig);
        await driver.FinishAsync();
        await StateAsync(rig, StateWord.Ready, 0);
    }

    [Theory]
    [InlineData("reset")]
    [InlineData("session")]
    [InlineData("contract")]
    public async Task A_host_that_goes_takes_everything_along(string how)
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await Waiting(rig, script: """
            setsid sleep 1000 & echo $!
            (trap '' TERM HUP; sleep 1000) & echo $!
            """);
        string socket = await SocketOf(driver);
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
        await UntilAsync(rig, () => left.All(IsGone) && Directory.GetDirectories(rig.RunFolder).Length == 0);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task What_runs_in_the_background_ends_with_the_script()
    {
        await using var rig = new AgentRig();
        // Many, so that some are on their way from one program to the next when they are looked for.
        await using InstallDriver driver = await InstallDriver.StartAsync(
            rig.Instance.Channel, "for i in $(seq 40); do setsid sleep 1000 >/dev/null 2>&1 & echo $!; done");
        await driver.UntilAsync(InstallMessage.Ended);
        int[] left = [.. driver.Output.ToString().Split('\n').SkipLast(1).Select(int.Parse)];
        Assert.Equal(40, left.Length);
        Assert.DoesNotContain(left, pid => !IsGone(pid));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(ProcessMark.Memory - 1)]
    [InlineData(ProcessMark.Memory)]
    [InlineData(1_500_000)]
    public async Task A_process_is_found_by_its_mark_wherever_it_stands_in_its_environment(int before)
    {
        string socket = $"/run/{Guid.NewGuid():N}/half.sock";
        // Some variables before it, of 100,000 bytes at most each (execve(2) takes 128 KiB), and names that only look like it.
        var start = new ProcessStartInfo("/usr/bin/env") { RedirectStandardOutput = true };
        start.ArgumentList.Add("-i");
        for (int left = before, i = 0; left > 0; left -= 100_000, i++)
        {
            start.ArgumentList.Add($"F{i}={new string('x', Math.Min(left, 100_000))}");
        }
        start.ArgumentList.Add($"X{HalfVariables.Socket}={socket}");
        using (Process other = StartReady(start, $"{HalfVariables.Socket}={socket}x"))
        using (Process meant = StartReady(start, $"{HalfVariables.Socket}={socket}"))
        {
            InstallProcesses.Kill(socket);
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await meant.WaitForExitAsync(soon.Token);
            Assert.False(other.HasExited);
            other.Kill();
            await other.WaitForExitAsync(soon.Token);
        }
    }

    /// <summary>Starts a shell with one variable more, and waits until it is that.</summary>
    private static Process StartReady(ProcessStartInfo start, string variable)
    {
        var own = new ProcessStartInfo(start.FileName, [.. start.ArgumentList, variable, "/bin/sh", "-c", "echo; exec /bin/sleep 1000"]) { RedirectStandardOutput = true };
        Process process = Process.Start(own)!;
        Assert.Equal("", process.StandardOutput.ReadLine());
        return process;
    }

    [Fact]
    public async Task A_process_that_has_ended_gives_its_number_to_nobody_that_is_killed_for_it()
    {
        using Process first = Process.Start("/bin/sleep", ["1000"])!;
        // While it is held, it ends, and another process could have the number: the question is asked of that one.
        Assert.False(ProcessMark.Kill(first.Id, () =>
        {
            first.Kill();
            first.WaitForExit();
            return true;
        }));
        using Process second = Process.Start("/bin/sleep", ["1000"])!;
        Assert.False(ProcessMark.Kill(second.Id, static () => false));
        Assert.True(ProcessMark.Kill(second.Id, static () => true));
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await second.WaitForExitAsync(soon.Token);
    }

    [Fact]
    public async Task What_is_between_two_programs_when_it_is_looked_for_is_found_all_the_same()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("agent-test-");
        string program = $"{folder.FullName}/again";
        await File.WriteAllTextAsync(program, "#!/bin/sh\nexec \"$0\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        for (int i = 0; i < 40; i++)
        {
            var start = new ProcessStartInfo(program);
            start.Environment[HalfVariables.Socket] = $"{folder.FullName}/half.sock";
            using Process process = Process.Start(start)!;
            InstallProcesses.Kill(start.Environment[HalfVariables.Socket]!);
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await process.WaitForExitAsync(soon.Token);
        }
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task One_operation_runs_at_a_time_and_the_next_one_after_it()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await Waiting(rig);
        await SocketOf(driver);
        await using (InstallDriver other = await InstallDriver.OpenAsync(rig.Instance.Channel))
        {
            ChannelException e = await other.FailAsync();
            Assert.Equal((ChannelError.ResourceExhausted, ErrorClass.Retry), (e.Code, e.Class));
        }
        GoOn(rig);
        await driver.FinishAsync();
        await using InstallDriver next = await InstallDriver.StartAsync(rig.Instance.Channel, "echo again");
        await next.FinishAsync();
        Assert.Equal("again\n", next.Output.ToString());
    }

    [Fact]
    public async Task A_script_that_prints_for_ever_waits_for_its_reader()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel, "echo $$; exec yes");
        await driver.UntilAsync(InstallMessage.Output);
        int pid = int.Parse(driver.Output.ToString().Split('\n')[0]);
        long written = -1;
        await UntilAsync(rig, () => written == (written = Written(pid)) && written > 0);
        // The stream's credit, the buffers of both sides and the pipe.
        Assert.InRange(written, 1, 2 << 20);
        await driver.DisposeAsync();
        await UntilAsync(rig, () => IsGone(pid) && Directory.GetDirectories(rig.RunFolder).Length == 0);
    }

    [Fact]
    public async Task A_guest_that_is_no_appliance_refuses_and_says_so()
    {
        await using var rig = new AgentRig(install: false);
        await using InstallDriver driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        ChannelException e = await driver.FailAsync();
        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains("install = deny", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("install.Run", (await rig.Instance.Info.GetAsync(rig.Soon)).Methods);
        Assert.Contains(rig.Lines, line => line.Contains("refused install.Run", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_that_is_wrong_changes_nothing()
    {
        await using var rig = new AgentRig();
        Action<InstallRunRequest>[] changes =
        [
            r => r.Operation = ByteString.CopyFromUtf8("short"), r => r.Action = "../create", r => r.Instance = "", r => r.Instance = "a\nb",
            r => r.Environment.Add(ByteString.CopyFromUtf8("OSP_DISK=x")), r => r.Environment.Add(ByteString.CopyFromUtf8("CHANNELSDK_HALF=x")),
            r => r.Environment.Add(ByteString.CopyFromUtf8("A=b\0c")), r => r.Parameters.Add(new InstallParameter { Name = "a-b" }),
            r => r.Parameters.Add([new InstallParameter { Name = "a" }, new InstallParameter { Name = "A" }]),
            r => r.Parameters.Add(new InstallParameter { Name = "a", Value = ByteString.CopyFrom(new byte[1]) }),
            r => r.Parameters.Add(new InstallParameter { Name = "a", Value = ByteString.CopyFromUtf8(new string('x', 98_305)) }),
            r => r.Environment.Add(Enumerable.Repeat(ByteString.CopyFromUtf8("A=b"), 129)),
        ];
        foreach (Action<InstallRunRequest> change in changes)
        {
            await using InstallDriver driver = await InstallDriver.OpenAsync(rig.Instance.Channel, change);
            Assert.Equal(ChannelError.InvalidArgument, (await driver.FailAsync()).Code);
        }
        Assert.False(Directory.Exists(rig.RunFolder));
    }

    [Theory]
    [InlineData("../create", ChannelError.InvalidArgument)]
    [InlineData("..", ChannelError.InvalidArgument)]
    [InlineData("", ChannelError.InvalidArgument)]
    [InlineData("a/b", ChannelError.InvalidArgument)]
    [InlineData("a\nb", ChannelError.InvalidArgument)]
    [InlineData("create", ChannelError.FailedPrecondition)]
    public async Task A_script_whose_name_leads_elsewhere_is_refused(string name, ChannelError code)
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        await driver.AddAsync("create", "#!/bin/sh\n");
        await driver.AddAsync(name, "x");
        Assert.Equal(code, (await driver.FailAsync()).Code);
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
    }

    [Fact]
    public async Task Too_many_scripts_are_refused()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        ChannelException e = await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            for (int i = 0; i < 300; i++)
            {
                await driver.AddAsync($"script{i}", new string('x', 1000));
            }
            await driver.FailAsync().ContinueWith(failed => throw failed.Result, TaskScheduler.Default);
        });
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
    }

    [Theory]
    [InlineData("no script of this action", false, ChannelError.NotFound)]
    [InlineData("one that is no program", true, ChannelError.NotFound)]
    public async Task An_operation_without_its_program_fails_at_once(string why, bool isThere, ChannelError code)
    {
        Assert.NotEmpty(why);
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        await driver.AddAsync(isThere ? "create" : "other", "#!/bin/sh\n", isExecutable: false);
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        Assert.Equal(code, (await driver.FailAsync()).Code);
    }

    [Fact]
    public async Task What_the_script_leaves_mounted_stays_until_the_host_is_done_and_no_longer()
    {
        await using var rig = new AgentRig();
        string target = $"{rig.RunFolder}/target";
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel,
            "mount -t tmpfs t \"$CHANNELSDK_TARGET\" && mkdir \"$CHANNELSDK_TARGET/proc\" && mount -t tmpfs p \"$CHANNELSDK_TARGET/proc\" && mkdir inner && mount -t tmpfs i inner");
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.True(InstallMounts.IsMounted(target) && InstallMounts.IsMounted($"{target}/proc"));
        await driver.Out.CompleteAsync();
        Assert.Null(await driver.NextAsync());
        Assert.DoesNotContain(rig.RunFolder, await File.ReadAllTextAsync("/proc/self/mountinfo"), StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
    }

    [Fact]
    public async Task What_a_script_leaves_in_the_target_without_a_mount_is_gone_for_the_next()
    {
        await using var rig = new AgentRig();
        await using InstallDriver first = await InstallDriver.StartAsync(rig.Instance.Channel, "mkdir -p \"$CHANNELSDK_TARGET/etc\" && printf 'left' > \"$CHANNELSDK_TARGET/etc/$(printf '\\377')\"");
        Assert.Equal(0u, (await first.FinishAsync()).Code);
        await using InstallDriver second = await InstallDriver.StartAsync(rig.Instance.Channel, "ls -A \"$CHANNELSDK_TARGET\"");
        await second.FinishAsync();
        Assert.Equal("", second.Output.ToString());
    }

    [Fact]
    public async Task An_agent_that_is_stopped_ends_its_operation_first()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel, MountTarget + "; setsid sleep 1000 >/dev/null & echo $!; wait");
        await driver.UntilAsync(InstallMessage.Output);
        await rig.StopAgentAsync();
        Assert.True(IsGone(int.Parse(driver.Output.ToString())));
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
        rig.StartAgent();
    }

    [Fact]
    public async Task An_agent_that_comes_back_removes_what_its_predecessor_left()
    {
        await using var rig = new AgentRig();
        await rig.StopAgentAsync();
        string folder = $"{rig.RunFolder}/install-0123456789abcdef0123456789abcdef";
        Directory.CreateDirectory(folder);
        var start = new ProcessStartInfo("sleep", "1000");
        start.Environment[HalfVariables.Socket] = $"{folder}/half.sock";
        using Process left = Process.Start(start)!;
        rig.StartAgent();
        await left.WaitForExitAsync(rig.Soon);
        await UntilAsync(rig, () => !Directory.Exists(folder));
    }

    internal const string MountTarget = "mount -t tmpfs -o size=16m t \"$CHANNELSDK_TARGET\"";

    /// <summary>A script that tells its socket and goes on when it is told so.</summary>
    private static async Task<InstallDriver> Waiting(AgentRig rig, Action<InstallRunRequest>? change = null, string script = "")
    {
        await ChildRunAsync("mkfifo", $"{rig.Guest}/go");
        return await InstallDriver.StartAsync(rig.Instance.Channel, $"{script}\necho \"$CHANNELSDK_HALF\"; cat '{rig.Guest}/go'\n", change);
    }

    private static async Task<string> SocketOf(InstallDriver driver)
    {
        while (!driver.Output.ToString().EndsWith("half.sock\n", StringComparison.Ordinal))
        {
            await driver.UntilAsync(InstallMessage.Output);
        }
        return driver.Output.ToString().Split('\n')[^2];
    }

    private static void GoOn(AgentRig rig) => File.WriteAllText($"{rig.Guest}/go", "");

    private static async Task<string> ToolAsync(string socket, int code, params string[] arguments)
    {
        using var output = new MemoryStream();
        var complaint = new StringBuilder();
        int exit = await new HalfCommand(Stream.Null, output, line => complaint.Append(line)).RunAsync(arguments, socket);
        Assert.True(exit == code, $"{arguments[0]}: {exit} {complaint}");
        return Encoding.UTF8.GetString(output.ToArray());
    }

    private static async Task StateAsync(AgentRig rig, StateWord state, int detail)
    {
        await UntilAsync(rig, () => rig.Instance.Channel.Status.PeerHeartbeat is { } h && h.State == state && h.Detail == detail);
    }

    internal static async Task UntilAsync(AgentRig rig, Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(50, rig.Soon);
        }
    }

    private static async Task ChildRunAsync(string program, string argument)
    {
        using Process process = Process.Start(program, argument);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    // One that was killed and is not waited for yet does nothing any more.
    private static bool IsGone(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[1][0] == 'Z';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static long Written(int pid) => long.Parse(
        File.ReadAllLines($"/proc/{pid}/io").First(line => line.StartsWith("wchar: ", StringComparison.Ordinal))["wchar: ".Length..]);
}
