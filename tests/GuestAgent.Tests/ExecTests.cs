using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Host.Exec;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Programs that a real agent runs for the host's library.</summary>
[Collection("programs that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class ExecTests
{
    [Theory]
    [InlineData("exit 0", 0, 0)]
    [InlineData("exit 7", 7, 0)]
    [InlineData("kill -9 $$", 0, 9)]
    [InlineData("kill -PIPE $$; exit 3", 0, 13)]
    public async Task The_host_learns_how_a_program_ended(string script, int code, int signal)
    {
        await using var rig = new AgentRig();
        var result = await rig.Instance.Exec.RunAsync(ExecCalls.Shell(script), cancellationToken: rig.Soon);
        Assert.Equal(new ExecExit(code, signal), result.Exit);
    }

    [Fact]
    public async Task Input_output_and_error_are_separate_streams()
    {
        await using var rig = new AgentRig();
        var input = new byte[3_000_001];
        new Random(3).NextBytes(input);
        var result = await rig.Instance.Exec.RunAsync(ExecCalls.Shell("cat; echo complaint >&2"), input, 4 << 20, rig.Soon);
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
            var result = await rig.Instance.Exec.RunAsync(ExecCalls.Shell($"yes | head -c {bytes}"), maxOutput: bytes, cancellationToken: rig.Soon);
            Assert.Equal(bytes, result.Output.Length);
            Assert.Equal(bytes / 2, result.Output.Span.Count((byte)'y'));
        }));
    }

    [Fact]
    public async Task Environment_folder_and_arguments_are_the_requests_and_nothing_of_the_agents()
    {
        await using var rig = new AgentRig();
        var options = ExecCalls.Shell("pwd; env | grep -v -e ^_= -e ^SHLVL= -e ^PWD= -e ^OLDPWD= | sort; echo \"$0|$1\"; ls /proc/self/fd | wc -l; ps -o sid= -p $$ | tr -d ' '; echo $$") with
        {
            WorkingFolder = rig.Guest,
            Environment = new Dictionary<string, string> { ["ONE"] = "a b\nc", ["TWO"] = "ü" },
        };
        options = options with { Command = [.. options.Command, "zero", "two words"] };

        var lines = ExecCalls.Text((await rig.Instance.Exec.RunAsync(options, cancellationToken: rig.Soon)).Output).Split('\n');

        Assert.Equal(rig.Guest, lines[0]);
        Assert.Equal(["ONE=a b", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TWO=ü", "c"], lines[1..5].Order(StringComparer.Ordinal));
        Assert.Equal("zero|two words", lines[5]);
        // 0, 1, 2 and the listing's own; and what the parent of the tests left open in them.
        const int closeOnExec = 0x80000;
        var inherited = Directory.GetFiles("/proc/self/fdinfo").Count(static file => int.Parse(Path.GetFileName(file), CultureInfo.InvariantCulture) > 2
            && FlagsOf(file) is { } flags && (flags & closeOnExec) == 0);
        Assert.Equal(4 + inherited, int.Parse(lines[6], CultureInfo.InvariantCulture));
        Assert.Equal(lines[8], lines[7]);
    }

    [Fact]
    public async Task As_many_arguments_are_taken_as_shells_and_their_tools_give()
    {
        await using var rig = new AgentRig();
        var options = ExecCalls.Shell("echo $#") with { };
        string[] many = [.. Enumerable.Range(0, 10_000).Select(static i => $"/folder/file-{i}")];
        var result = await rig.Instance.Exec.RunAsync(options with { Command = [.. options.Command, "sh", .. many] }, cancellationToken: rig.Soon);
        Assert.Equal("10000\n", ExecCalls.Text(result.Output));
        var error = await ExecCalls.FailAsync(rig, ExecCalls.Request([.. options.Command, new string('x', 131_072)]));
        Assert.Contains("at most 131071 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_is_in_its_control_group_before_it_runs()
    {
        var folder = Directory.CreateTempSubdirectory("agent-test-");
        var processes = $"{folder.FullName}/cgroup.procs";
        File.WriteAllText(processes, "");
        var request = new SpawnRequest("/bin/sh"u8.ToArray(),
            ["sh"u8.ToArray(), "-c"u8.ToArray(), "[ \"$(cat cgroup.procs)\" = $$ ]"u8.ToArray()], ["a.b=c"u8.ToArray()])
        {
            ProcessesFiles = [processes],
            Folder = PathOpener.Open(RawPath.Parse(Google.Protobuf.ByteString.CopyFromUtf8(folder.FullName)), Abi.O_PATH | Abi.O_DIRECTORY),
        };
        Assert.Equal(0, ProcessSpawn.Start(request, out var pid, out var hasJoined));
        Assert.True(hasJoined);
        Assert.Equal(pid, ProcessCalls.WaitPid(pid, out var status, 0));
        Assert.Equal(0, ChildProcess.ExitCode(status));

        Assert.Equal(2, ProcessSpawn.Start(request with { Program = "/nowhere"u8.ToArray() }, out _, out _));
        Assert.Equal(0, ProcessSpawn.Start(request with { ProcessesFiles = ["/nowhere/cgroup.procs"] }, out pid, out hasJoined));
        Assert.False(hasJoined);
        ProcessCalls.WaitPid(pid, out _, 0);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_end_is_told_though_something_in_the_background_holds_the_output()
    {
        await using var rig = new AgentRig();
        var result = await rig.Instance.Exec.RunAsync(ExecCalls.Shell("sleep 600 & echo $!"), cancellationToken: rig.Soon);
        Assert.Equal(0, result.Exit.Code);
        var pid = int.Parse(ExecCalls.Text(result.Output), CultureInfo.InvariantCulture);
        Assert.True(Directory.Exists($"/proc/{pid}"));
        System.Diagnostics.Process.GetProcessById(pid).Kill();
    }

    [Fact]
    public async Task A_link_that_is_cut_costs_a_run_nothing()
    {
        await using var rig = new AgentRig();
        await using var session = await rig.Instance.Exec.StartAsync(ExecCalls.Shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"), rig.Soon);
        using var reader = new StreamReader(session.StandardOutput);
        for (var i = 0; i < 20_000; i++)
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
    public async Task Unread_output_stops_the_program_and_not_the_channel()
    {
        await using var rig = new AgentRig();
        await using var session = await rig.Instance.Exec.StartAsync(new ExecOptions { Command = ["yes"] }, rig.Soon);
        var buffer = new byte[100];
        await session.StandardOutput.ReadExactlyAsync(buffer, rig.Soon);
        for (var i = 0; i < 100; i++)
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }
        // Stopped in a write to its pipe, however much was taken before.
        while (!(await File.ReadAllTextAsync($"/proc/{session.ProcessId}/stat")).Contains(" S ", StringComparison.Ordinal))
        {
            await rig.Instance.Info.PingAsync(rig.Soon);
        }

        var more = new byte[5_000_000];
        await session.StandardOutput.ReadExactlyAsync(more, rig.Soon);
        Assert.Equal((byte)'y', more[^1] == '\n' ? more[^2] : more[^1]);
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
}
