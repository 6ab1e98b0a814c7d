using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Host.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What the agent does not run: what the policy of the image does not allow, and requests that are wrong.</summary>
[Collection("programs that agents run")]
public class ExecRefusalTests
{
    [Fact]
    public async Task A_name_is_looked_for_and_the_policy_is_asked_about_the_file_found()
    {
        await using var rig = new AgentRig(policy: _ => "[[exec]]\nprogram = \"/usr/bin/id\"\narguments = [\"...\"]\n");
        var result = await rig.Instance.Exec.RunAsync(new ExecOptions { Command = ["id", "-u"] }, cancellationToken: rig.Soon);
        Assert.Equal(0, result.Exit.Code);
        var e = await ExecCalls.FailAsync(rig, new ExecOptions { Command = ["ls"] });
        Assert.Equal(ChannelError.PermissionDenied, e.Code);
        Assert.Contains("no [[exec]] that allows /", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_permission_of_the_image_nothing_is_run()
    {
        await using var rig = new AgentRig(policy: _ => "");
        Assert.Equal(ChannelError.PermissionDenied, (await ExecCalls.FailAsync(rig, ExecCalls.Shell("exit 0"))).Code);
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
        Assert.Equal(code, (await ExecCalls.FailAsync(rig, ExecCalls.Request(command))).Code);
    }

    [Fact]
    public async Task Requests_beyond_the_bounds_are_refused()
    {
        await using var rig = new AgentRig();
        ExecRequest many = ExecCalls.Request("true"), relative = ExecCalls.Request("true"), variables = ExecCalls.Request("true");
        many.MaxProcesses = 5000;
        relative.WorkingFolder = ByteString.CopyFromUtf8("relative");
        variables.Environment.AddRange(Enumerable.Range(0, 1025).Select(static i => ByteString.CopyFromUtf8($"V{i}=")));
        foreach (var request in (ExecRequest[])
            [ExecCalls.Request([.. Enumerable.Repeat("x", (32 << 10) + 1)]), ExecCalls.Request("true", new string('x', 140_000)), many, relative, variables])
        {
            Assert.Equal(ChannelError.InvalidArgument, (await ExecCalls.FailAsync(rig, request)).Code);
        }

        Assert.Equal(ChannelError.NotFound, (await ExecCalls.FailAsync(rig, ExecCalls.Shell("exit 0") with { WorkingFolder = "/nonexistent" })).Code);
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
        var e = await ExecCalls.FailAsync(rig, ExecCalls.Shell("exit 0") with { Environment = new Dictionary<string, string> { [name] = "x" } });
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

        var output = ExecCalls.Text((await rig.Instance.Exec.RunAsync(options, cancellationToken: rig.Soon)).Output);

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
        var script = rig.NewFile("script", 1);
        await File.WriteAllTextAsync(script, "#!/nowhere/sh\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Equal(ChannelError.NotFound, (await ExecCalls.FailAsync(rig, new ExecOptions { Command = [script] })).Code);
    }

    [Fact]
    public async Task Nine_programs_at_a_time_are_one_too_many_and_the_place_is_free_again_afterwards()
    {
        await using var rig = new AgentRig();
        var sessions = new List<ExecSession>();
        for (var i = 0; i < 8; i++)
        {
            sessions.Add(await rig.Instance.Exec.StartAsync(new ExecOptions { Command = ["cat"] }, rig.Soon));
        }

        var e = await ExecCalls.FailAsync(rig, new ExecOptions { Command = ["cat"] });
        Assert.Equal((ChannelError.ResourceExhausted, ErrorClass.Retry), (e.Code, e.Class));
        foreach (var session in sessions)
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
        var e = await Assert.ThrowsAsync<ChannelException>(() => rig.Instance.Exec.RunAsync(new ExecOptions { Command = ["yes"] }, maxOutput: 100_000, cancellationToken: rig.Soon));
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
    }

    [Fact]
    public async Task A_message_that_is_no_input_ends_the_run()
    {
        await using var rig = new AgentRig();
        var request = new ExecRequest();
        request.Argv.Add(Google.Protobuf.ByteString.CopyFromUtf8("cat"));
        await using var stream = await rig.Instance.Channel.OpenStreamAsync(ExecMethods.Run, request, default, rig.Soon);
        (await stream.ReadAsync(rig.Soon)).Dispose();
        await stream.WriteAsync(new byte[] { 9, 9 }, rig.Soon);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(() => stream.ReadAsync(rig.Soon).AsTask())).Code);
    }
}
