using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Transports;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Programs that a real agent runs for the host's library.</summary>
public class ExecTests
{
    private const int SigTerm = 15;

    [Theory]
    [InlineData("exit 0", 0, 0)]
    [InlineData("exit 7", 7, 0)]
    [InlineData("kill -9 $$", 0, 9)]
    [InlineData("kill -PIPE $$; exit 3", 0, 13)]
    public async Task The_host_learns_how_a_program_ended(string script, int code, int signal)
    {
        await using var rig = new AgentRig();
        ExecResult result = await rig.Instance.Exec.RunAsync(Shell(script), cancellationToken: rig.Soon);
        Assert.Equal(new ExecExit(code, signal), result.Exit);
    }

    [Fact]
    public async Task Input_output_and_error_are_streams_of_their_own()
    {
        await using var rig = new AgentRig();
        byte[] input = new byte[3_000_001];
        new Random(3).NextBytes(input);
        ExecResult result = await rig.Instance.Exec.RunAsync(Shell("cat; echo complaint >&2"), input, 4 << 20, rig.Soon);
        Assert.True(result.Output.Span.SequenceEqual(input));
        Assert.Equal("complaint\n", Encoding.UTF8.GetString(result.Error.Span));
    }

    [Fact]
    public async Task Programs_that_write_as_fast_as_they_can_side_by_side_lose_nothing()
    {
        const int bytes = 48 << 20;
        await using var rig = new AgentRig();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            ExecResult result = await rig.Instance.Exec.RunAsync(Shell($"yes | head -c {bytes}"), maxOutput: bytes, cancellationToken: rig.Soon);
            Assert.Equal(bytes, result.Output.Length);
            Assert.Equal(bytes / 2, result.Output.Span.Count((byte)'y'));
        }));
    }

    [Fact]
    public async Task Environment_folder_and_arguments_are_the_requests_and_nothing_of_the_agents()
    {
        await using var rig = new AgentRig();
        ExecOptions options = Shell("pwd; env | grep -v -e ^_= -e ^SHLVL= -e ^PWD= -e ^OLDPWD= | sort; echo \"$0|$1\"; ls /proc/self/fd | wc -l; ps -o sid= -p $$ | tr -d ' '; echo $$") with
        {
            WorkingFolder = rig.Guest,
            Environment = new Dictionary<string, string> { ["ONE"] = "a b\nc", ["TWO"] = "ü" },
        };
        options = options with { Command = [.. options.Command, "zero", "two words"] };

        string[] lines = Text((await rig.Instance.Exec.RunAsync(options, cancellationToken: rig.Soon)).Output).Split('\n');

        Assert.Equal(rig.Guest, lines[0]);
        Assert.Equal(["ONE=a b", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TWO=ü", "c"], lines[1..5].Order(StringComparer.Ordinal));
        Assert.Equal("zero|two words", lines[5]);
        // 0, 1, 2 and the listing's own; and what whoever started the tests left open in them.
        const int closeOnExec = 0x80000;
        int inherited = Directory.GetFiles("/proc/self/fdinfo").Count(static file => int.Parse(Path.GetFileName(file), CultureInfo.InvariantCulture) > 2
            && FlagsOf(file) is { } flags && (flags & closeOnExec) == 0);
        Assert.Equal(4 + inherited, int.Parse(lines[6], CultureInfo.InvariantCulture));
        Assert.Equal(lines[8], lines[7]);
    }

    [Fact]
    public async Task A_name_is_looked_for_and_the_policy_is_asked_about_what_was_found()
    {
        await using var rig = new AgentRig(policy: _ => "[[exec]]\nprogram = \"/usr/bin/id\"\narguments = [\"...\"]\n");
        ExecResult result = await rig.Instance.Exec.RunAsync(new ExecOptions { Command = ["id", "-u"] }, cancellationToken: rig.Soon);
        Assert.Equal(0, result.Exit.Code);
        ChannelException e = await FailAsync(rig, new ExecOptions { Command = ["ls"] });
        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains("no [[exec]] that allows /", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_word_of_the_image_nothing_is_run()
    {
        await using var rig = new AgentRig(policy: _ => "");
        Assert.Equal(ChannelError.PermissionDenied, (await FailAsync(rig, Shell("exit 0"))).Code);
        Assert.DoesNotContain("exec.Run", (await rig.Instance.Info.GetAsync(rig.Soon)).Methods);
    }

    [Theory]
    [InlineData(ChannelError.InvalidArgument)]
    [InlineData(ChannelError.InvalidArgument, "")]
    [InlineData(ChannelError.InvalidArgument, "a/b")]
    [InlineData(ChannelError.InvalidArgument, "/bin/sh\0x")]
    [InlineData(ChannelError.NotFound, "/nonexistent")]
    [InlineData(ChannelError.NotFound, "nonexistent-program")]
    [InlineData(ChannelError.NotFound, "/etc")]
    [InlineData(ChannelError.NotFound, "/etc/passwd")]
    public async Task A_program_that_cannot_be_run_is_told(ChannelError code, params string[] command)
    {
        await using var rig = new AgentRig();
        Assert.Equal(code, (await FailAsync(rig, Request(command))).Code);
    }

    [Fact]
    public async Task Requests_beyond_the_bounds_are_refused()
    {
        await using var rig = new AgentRig();
        ExecRequest many = Request("true"), relative = Request("true"), variables = Request("true");
        many.MaxProcesses = 5000;
        relative.WorkingFolder = ByteString.CopyFromUtf8("relative");
        variables.Environment.AddRange(Enumerable.Range(0, 257).Select(static i => ByteString.CopyFromUtf8($"V{i}=")));
        foreach (ExecRequest request in (ExecRequest[])
            [Request([.. Enumerable.Repeat("x", (32 << 10) + 1)]), Request("true", new string('x', 140_000)), many, relative, variables])
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(rig, request)).Code);
        }
        Assert.Equal(ChannelError.NotFound, (await FailAsync(rig, Shell("exit 0") with { WorkingFolder = "/nonexistent" })).Code);
    }

    [Theory]
    [InlineData("LD_PRELOAD")]
    [InlineData("PATH")]
    [InlineData("TAR_OPTIONS")]
    [InlineData("OPENSSL_CONF")]
    [InlineData("HOME")]
    [InlineData("APP")]
    public async Task A_variable_that_no_rule_names_is_refused_by_name(string name)
    {
        await using var rig = new AgentRig(policy: static _ => "[[exec]]\nprogram = \"/bin/sh\"\narguments = [\"...\"]\nenvironment = [\"APP_*\"]\n");
        ChannelException e = await FailAsync(rig, Shell("exit 0") with { Environment = new Dictionary<string, string> { [name] = "x" } });
        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains(name, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Variables_that_a_rule_names_and_those_of_the_language_reach_the_program_and_their_names_the_record()
    {
        await using var rig = new AgentRig(policy: static _ => "[[exec]]\nprogram = \"/usr/bin/env\"\nenvironment = [\"APP_*\", \"a.b\"]\n");
        var options = new ExecOptions
        {
            Command = ["/usr/bin/env"],
            Environment = new Dictionary<string, string> { ["APP_X"] = "hunter2", ["a.b"] = "c", ["LANG"] = "C.UTF-8", ["TZ"] = "Europe/Berlin" },
        };

        string output = Text((await rig.Instance.Exec.RunAsync(options, cancellationToken: rig.Soon)).Output);

        Assert.Equal(
            ["APP_X=hunter2", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TZ=Europe/Berlin", "a.b=c"],
            output.TrimEnd().Split('\n').Order(StringComparer.Ordinal));
        string line = Assert.Single(rig.Lines, static line => line.Contains("audit: allowed running /usr/bin/env", StringComparison.Ordinal));
        Assert.All(["APP_X", "a.b", "LANG", "TZ"], name => Assert.Contains(name, line, StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TZ", "/etc/shadow")]
    [InlineData("TZ", ":/etc/shadow")]
    [InlineData("LANG", "../../x")]
    [InlineData("LC_ALL", "%n%n")]
    [InlineData("TERM", "/tmp/x")]
    public void A_variable_of_the_language_that_names_a_file_needs_a_rule(string name, string value) =>
        Assert.False(EnvironmentPattern.IsHarmless($"{name}={value}"));

    [Fact]
    public async Task A_program_whose_interpreter_is_missing_is_not_found()
    {
        await using var rig = new AgentRig();
        string script = rig.NewFile("script", 1);
        await File.WriteAllTextAsync(script, "#!/nowhere/sh\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Equal(ChannelError.NotFound, (await FailAsync(rig, new ExecOptions { Command = [script] })).Code);
    }

    [Fact]
    public void A_program_is_in_its_control_group_before_it_runs()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("agent-test-");
        string processes = $"{folder.FullName}/cgroup.procs";
        File.WriteAllText(processes, "");
        var request = new SpawnRequest("/bin/sh"u8.ToArray(),
            ["sh"u8.ToArray(), "-c"u8.ToArray(), "[ \"$(cat cgroup.procs)\" = $$ ]"u8.ToArray()], ["a.b=c"u8.ToArray()])
        {
            ProcessesFile = processes,
            Folder = PathOpener.Open(RawPath.Parse(Google.Protobuf.ByteString.CopyFromUtf8(folder.FullName)), FileCalls.PathOnly | FileCalls.Folder),
        };
        Assert.Equal(0, ProcessSpawn.Start(request, out int pid, out bool hasJoined));
        Assert.True(hasJoined);
        Assert.Equal(pid, Libc.WaitPid(pid, out int status, 0));
        Assert.Equal(0, ChildProcess.ExitCode(status));

        Assert.Equal(2, ProcessSpawn.Start(request with { Program = "/nowhere"u8.ToArray() }, out _, out _));
        Assert.Equal(0, ProcessSpawn.Start(request with { ProcessesFile = "/nowhere/cgroup.procs" }, out pid, out hasJoined));
        Assert.False(hasJoined);
        Libc.WaitPid(pid, out _, 0);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Output_that_nobody_reads_stops_the_program_and_not_the_channel()
    {
        await using var rig = new AgentRig();
        await using ExecSession session = await rig.Instance.Exec.StartAsync(new ExecOptions { Command = ["yes"] }, rig.Soon);
        byte[] buffer = new byte[100];
        await session.StandardOutput.ReadExactlyAsync(buffer, rig.Soon);
        for (int i = 0; i < 100; i++)
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }
        // Stopped in a write to its pipe, whatever was taken before.
        while (!(await File.ReadAllTextAsync($"/proc/{session.ProcessId}/stat")).Contains(" S ", StringComparison.Ordinal))
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }
        byte[] more = new byte[5_000_000];
        await session.StandardOutput.ReadExactlyAsync(more, rig.Soon);
        Assert.Equal((byte)'y', more[^1] == '\n' ? more[^2] : more[^1]);
    }

    [Fact]
    public async Task A_signal_reaches_a_program_whose_input_is_stuck()
    {
        await using var rig = new AgentRig();
        await using ExecSession session = await rig.Instance.Exec.StartAsync(Shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"), rig.Soon);
        byte[] ready = new byte[6];
        await session.StandardOutput.ReadExactlyAsync(ready, rig.Soon);
        Task stuck = session.StandardInput.WriteAsync(new byte[4 << 20], rig.Soon).AsTask();
        await session.SignalAsync(SigTerm, rig.Soon);
        Assert.Equal(new ExecExit(5, 0), await session.ExitAsync(rig.Soon));
        await Record.ExceptionAsync(() => stuck);
        Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(async () => await session.SignalAsync(SigTerm, rig.Soon))).Code);
    }

    [Fact]
    public async Task Disposing_of_a_run_kills_all_that_it_started()
    {
        await using var rig = new AgentRig();
        int[] pids = await StartFamilyAsync(rig, async session => await session.DisposeAsync());
        await GoneAsync(pids, rig.Soon);
    }

    [Fact]
    public async Task A_lost_session_kills_the_program()
    {
        await using var rig = new AgentRig();
        int[] pids = await StartFamilyAsync(rig, async _ => await rig.StopAgentAsync());
        await GoneAsync(pids, rig.Soon);
        rig.StartAgent();
    }

    [Fact]
    public async Task A_lost_session_leaves_the_program_alone_on_request_and_it_is_reaped_at_its_end()
    {
        await using var rig = new AgentRig();
        string done = Path.Combine(rig.Guest, "done"), go = Path.Combine(rig.Guest, "go");
        ExecSession session = await rig.Instance.Exec.StartAsync(
            Shell($"while [ ! -e {go} ]; do echo output; echo x >&2; sleep 0.01; done; echo $$ > {done}.new; mv {done}.new {done}") with { KeepOnSessionLoss = true }, rig.Soon);
        await rig.StopAgentAsync();
        await Assert.ThrowsAsync<ChannelException>(() => session.ExitAsync(rig.Soon));
        rig.StartAgent();
        await rig.Instance.Info.PingAsync(rig.Soon);
        await File.WriteAllTextAsync(go, "");
        while (!File.Exists(done))
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }
        await GoneAsync([int.Parse(await File.ReadAllTextAsync(done), CultureInfo.InvariantCulture)], rig.Soon);
        await session.DisposeAsync();
    }

    [Fact]
    public async Task A_program_ends_soon_after_its_host_was_killed()
    {
        await using var rig = new AgentRig();
        await rig.DetachAsync();
        await using var host = new HostEndpoint.HostEndpoint();
        Instance killed = host.Attach("vm1", new OnceEndpoint(TransportEndpoints.Create(rig.Uri)));
        ExecOptions options = Shell("echo $$; exec sleep 600") with { LinkLoss = TimeSpan.FromMilliseconds(500) };
        await using ExecSession session = await killed.Exec.StartAsync(options, rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        int pid = int.Parse((await reader.ReadLineAsync(rig.Soon))!, CultureInfo.InvariantCulture);

        killed.DropLink("as a killed process does");

        await GoneAsync([pid], rig.Soon);
    }

    [Fact]
    public async Task As_many_arguments_are_taken_as_shells_and_their_tools_give()
    {
        await using var rig = new AgentRig();
        ExecOptions options = Shell("echo $#") with { };
        string[] many = [.. Enumerable.Range(0, 10_000).Select(static i => $"/folder/file-{i}")];
        ExecResult result = await rig.Instance.Exec.RunAsync(options with { Command = [.. options.Command, "sh", .. many] }, cancellationToken: rig.Soon);
        Assert.Equal("10000\n", Text(result.Output));
        ChannelException error = await FailAsync(rig, Request([.. options.Command, new string('x', 131_072)]));
        Assert.Contains("at most 131071 bytes", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Yields one link, as for a process that is dead then.</summary>
    private sealed class OnceEndpoint(ITransportEndpoint inner) : ITransportEndpoint
    {
        private bool _isDead;

        public string Uri => inner.Uri;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            if (_isDead)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            ITransportLink link = await inner.OpenAsync(cancellationToken);
            _isDead = true;
            return link;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    [Fact]
    public async Task A_link_that_is_cut_costs_a_run_nothing()
    {
        await using var rig = new AgentRig();
        await using ExecSession session = await rig.Instance.Exec.StartAsync(Shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"), rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        for (int i = 0; i < 20_000; i++)
        {
            Assert.Equal($"line {i}", await reader.ReadLineAsync(rig.Soon));
            if (i % 4000 == 2000)
            {
                rig.Instance.DropLink("the test");
            }
        }
        Assert.Equal(new ExecExit(0, 0), await session.ExitAsync(rig.Soon));
    }

    [Fact]
    public async Task The_end_is_told_though_something_in_the_background_holds_the_output()
    {
        await using var rig = new AgentRig();
        ExecResult result = await rig.Instance.Exec.RunAsync(Shell("sleep 600 & echo $!"), cancellationToken: rig.Soon);
        Assert.Equal(0, result.Exit.Code);
        int pid = int.Parse(Text(result.Output), CultureInfo.InvariantCulture);
        Assert.True(Directory.Exists($"/proc/{pid}"));
        System.Diagnostics.Process.GetProcessById(pid).Kill();
    }

    [Fact]
    public async Task Nine_programs_at_a_time_are_one_too_many_and_the_place_is_free_again_afterwards()
    {
        await using var rig = new AgentRig();
        var sessions = new List<ExecSession>();
        for (int i = 0; i < 8; i++)
        {
            sessions.Add(await rig.Instance.Exec.StartAsync(new ExecOptions { Command = ["cat"] }, rig.Soon));
        }
        ChannelException e = await FailAsync(rig, new ExecOptions { Command = ["cat"] });
        Assert.Equal((ChannelError.ResourceExhausted, ErrorClass.Retry), (e.Code, e.Class));
        foreach (ExecSession session in sessions)
        {
            await session.StandardInput.DisposeAsync();
            Assert.Equal(new ExecExit(0, 0), await session.ExitAsync(rig.Soon));
            await session.DisposeAsync();
        }
        Assert.Equal(0, (await rig.Instance.Exec.RunAsync(new ExecOptions { Command = ["true"] }, cancellationToken: rig.Soon)).Exit.Code);
    }

    [Fact]
    public async Task More_output_than_asked_for_kills_the_program()
    {
        await using var rig = new AgentRig();
        ChannelException e = await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Exec.RunAsync(new ExecOptions { Command = ["yes"] }, maxOutput: 100_000, cancellationToken: rig.Soon));
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
    }

    [Fact]
    public async Task A_message_that_is_no_input_ends_the_run()
    {
        await using var rig = new AgentRig();
        var request = new ExecRequest();
        request.Argv.Add(Google.Protobuf.ByteString.CopyFromUtf8("cat"));
        await using ChannelStream stream = await rig.Instance.Channel.OpenStreamAsync(ServiceMethods.ExecRun, request, default, rig.Soon);
        (await stream.ReadAsync(rig.Soon)).Dispose();
        await stream.WriteAsync(new byte[] { 9, 9 }, rig.Soon);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(() => stream.ReadAsync(rig.Soon).AsTask())).Code);
    }

    /// <summary>A program with a child and a grandchild; returns the three numbers after the action.</summary>
    private static async Task<int[]> StartFamilyAsync(AgentRig rig, Func<ExecSession, Task> action)
    {
        ExecSession session = await rig.Instance.Exec.StartAsync(Shell("sh -c 'sleep 600 & echo $!; echo $$; wait' & echo $$; wait"), rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        var pids = new List<int>();
        while (pids.Count < 3)
        {
            pids.Add(int.Parse((await reader.ReadLineAsync(rig.Soon))!, CultureInfo.InvariantCulture));
        }
        Assert.All(pids, static pid => Assert.True(Directory.Exists($"/proc/{pid}")));
        await action(session);
        await session.DisposeAsync();
        return [.. pids];
    }

    /// <summary>Neither alive nor a zombie of ours.</summary>
    private static async Task GoneAsync(int[] pids, CancellationToken soon)
    {
        while (pids.Any(IsThere))
        {
            await Task.Delay(5, soon);
        }
    }

    private static bool IsThere(int pid)
    {
        try
        {
            // A grandchild's zombie is init's matter.
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return !stat.Contains($") Z 1 ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static int? FlagsOf(string fdInfo)
    {
        try
        {
            return Convert.ToInt32(File.ReadAllLines(fdInfo)[1]["flags:".Length..].Trim(), 8);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static ExecOptions Shell(string script) => new() { Command = ["/bin/sh", "-c", script] };

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    /// <summary>What a host asks that is not held to the bounds of its library.</summary>
    private static ExecRequest Request(params string[] command)
    {
        var request = new ExecRequest();
        request.Argv.AddRange(command.Select(ByteString.CopyFromUtf8));
        return request;
    }

    private static async Task<ChannelException> FailAsync(AgentRig rig, ExecRequest request)
    {
        await using ChannelStream stream = await rig.Instance.Channel.OpenStreamAsync(ServiceMethods.ExecRun, request, default, rig.Soon);
        return await Assert.ThrowsAsync<ChannelException>(async () => (await stream.ReadAsync(rig.Soon)).Dispose());
    }

    private static async Task<ChannelException> FailAsync(AgentRig rig, ExecOptions options) =>
        await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Exec.StartAsync(options, rig.Soon));
}
