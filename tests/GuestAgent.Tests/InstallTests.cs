using System.Text;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The half of an operation that a real agent runs, driven by raw messages.</summary>
[Collection("operations that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class InstallTests
{
    [Fact]
    public async Task The_script_finds_its_parameters_and_its_place_in_the_environment()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel,
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
        var ended = await driver.FinishAsync();
        Assert.Equal((3u, 0u), (ended.Code, ended.Signal));
        Assert.Equal("create|vm 1|/dev/vda|x=y z|a b\ntarget\n700\n700\n500\n", driver.Output.ToString());
        Assert.Equal("complaint\n", driver.Error.ToString());
    }

    [Fact]
    public async Task The_script_finds_as_many_variables_and_parameters_as_a_request_may_have()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, "env | grep -c '^V[0-9]*='; env | grep -c '^OSP_'\n", request =>
        {
            request.Environment.AddRange(Enumerable.Range(0, ScriptLimits.MaxVariables).Select(static i => ByteString.CopyFromUtf8($"V{i}={i}")));
            request.Parameters.AddRange(Enumerable.Range(0, 96).Select(static i => new InstallParameter { Name = $"p{i}", Value = ByteString.CopyFromUtf8("x") }));
        });
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal($"{ScriptLimits.MaxVariables}\n96\n", driver.Output.ToString());
    }

    [Fact]
    public async Task A_verify_is_asked_for_the_parameters_and_its_operation_follows()
    {
        await using var rig = new AgentRig();
        var operation = ByteString.CopyFrom(Guid.NewGuid().ToByteArray());
        await using (var verify = await InstallDriver.StartAsync(rig.Instance.Channel, "echo \"$# $1 $OSP_DISK $CHANNELSDK_ACTION\"\n", request =>
        {
            (request.Operation, request.Action) = (operation, "verify");
            request.Parameters.Add(new InstallParameter { Name = "disk", Value = ByteString.CopyFromUtf8("/dev/vda") });
        }))
        {
            Assert.Equal(0u, (await verify.FinishAsync()).Code);
            Assert.Equal("1 parameters /dev/vda verify\n", verify.Output.ToString());
        }

        await using var create = await InstallDriver.StartAsync(rig.Instance.Channel, "echo \"$#\"\n", request => request.Operation = operation);
        Assert.Equal(0u, (await create.FinishAsync()).Code);
        Assert.Equal("0\n", create.Output.ToString());
    }

    [Fact]
    public async Task The_script_finds_files_of_the_host_at_the_same_place()
    {
        await using var rig = new AgentRig();
        Directory.CreateDirectory($"{rig.Guest}/etc");
        await File.WriteAllTextAsync($"{rig.Guest}/etc/theirs", "the appliance's");
        for (var again = 0; again < 2; again++)
        {
            await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
            await driver.AddAsync($"{rig.Guest}/etc/theirs", "the host's", isExecutable: false);
            await driver.AddAsync($"{rig.Guest}/etc/hooks/new", "#!/bin/sh\necho hook\n");
            await driver.AddAsync("create", $"#!/bin/sh\ncd '{rig.Guest}/etc'; cat theirs; echo; hooks/new\n");
            await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
            Assert.Equal(0u, (await driver.FinishAsync()).Code);
            Assert.Equal("the host's\nhook\n", driver.Output.ToString());
        }
    }

    [Fact]
    public async Task The_script_finds_the_folders_of_its_definition_beside_it()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.OpenAsync(rig.Instance.Channel);
        await driver.AddAsync("lib/common.sh", "found() { echo found; }\n", isExecutable: false);
        await driver.AddAsync("lib/tasks/10-disk", "#!/bin/sh\necho disk\n");
        await driver.AddAsync("create", "#!/bin/sh\n. lib/common.sh && found && lib/tasks/10-disk && stat -c %a lib lib/tasks lib/common.sh\n");
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal("found\ndisk\n700\n700\n400\n", driver.Output.ToString());
    }

    [Fact]
    public async Task What_the_script_says_to_its_socket_reaches_the_host()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig, request =>
            request.Parameters.Add(new InstallParameter { Name = "disk", Value = ByteString.CopyFromUtf8("/dev/vda") }));
        var socket = await InstallScripts.SocketOf(driver);

        await driver.Out.WriteAsync(InstallMessage.Message, "from the host"u8.ToArray());
        Assert.Equal("from the host", await ToolAsync(socket, 0, "receive"));
        Assert.Equal(InstallMessage.Received, (await driver.NextAsync())!.Value.Kind);
        await ToolAsync(socket, 0, "send", "from the guest");
        Assert.Equal("from the guest"u8.ToArray(), await driver.UntilAsync(InstallMessage.Message));
        var barrier = ToolAsync(socket, 0, "barrier", "mounted");
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
        await driver.Out.WriteAsync(InstallMessage.Ended, new ScriptEnded { Code = 1 });
        await ToolAsync(socket, 6, "receive");
        await ToolAsync(socket, 6, "send", "x");
        InstallScripts.GoOn(rig);

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
        await using var driver = await InstallScripts.Waiting(rig);
        await ToolAsync(await InstallScripts.SocketOf(driver), 0, "progress", "42.9");
        await StateAsync(rig, StateWord.Installing, 42);
        InstallScripts.GoOn(rig);
        await driver.FinishAsync();
        await StateAsync(rig, StateWord.Ready, 0);
    }

    [Fact]
    public async Task One_operation_runs_at_a_time_and_the_next_one_after_it()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        await InstallScripts.SocketOf(driver);
        await using (var other = await InstallDriver.OpenAsync(rig.Instance.Channel))
        {
            var e = await other.FailAsync();
            Assert.Equal((ChannelError.ResourceExhausted, ErrorClass.Retry), (e.Code, e.Class));
        }

        InstallScripts.GoOn(rig);
        await driver.FinishAsync();
        await using var next = await InstallDriver.StartAsync(rig.Instance.Channel, "echo again");
        await next.FinishAsync();
        Assert.Equal("again\n", next.Output.ToString());
    }

    [Fact]
    public async Task A_script_that_never_stops_printing_waits_for_its_reader()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, "echo $$; exec yes");
        await driver.UntilAsync(InstallMessage.Output);
        var pid = int.Parse(driver.Output.ToString().Split('\n')[0]);
        long written = -1;
        await InstallScripts.UntilAsync(rig, () => written == (written = InstallScripts.Written(pid)) && written > 0);
        // The stream's credit, the buffers of both sides and the pipe.
        Assert.InRange(written, 1, 2 << 20);
        await driver.DisposeAsync();
        await InstallScripts.UntilAsync(rig, () => InstallScripts.IsGone(pid) && Directory.GetDirectories(rig.RunFolder).Length == 0);
    }

    [Fact]
    public async Task What_the_script_leaves_mounted_stays_until_the_host_is_done_and_no_longer()
    {
        await using var rig = new AgentRig();
        var target = $"{rig.RunFolder}/target";
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel,
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
        await using var first = await InstallDriver.StartAsync(rig.Instance.Channel, "mkdir -p \"$CHANNELSDK_TARGET/etc\" && printf 'left' > \"$CHANNELSDK_TARGET/etc/$(printf '\\377')\"");
        Assert.Equal(0u, (await first.FinishAsync()).Code);
        await using var second = await InstallDriver.StartAsync(rig.Instance.Channel, "ls -A \"$CHANNELSDK_TARGET\"");
        await second.FinishAsync();
        Assert.Equal("", second.Output.ToString());
    }

    private static async Task<string> ToolAsync(string socket, int code, params string[] arguments)
    {
        using var output = new MemoryStream();
        var complaint = new StringBuilder();
        var exit = await new ScriptTool(Stream.Null, output, line => complaint.Append(line)).RunAsync(arguments, socket);
        Assert.True(exit == code, $"{arguments[0]}: {exit} {complaint}");
        return Encoding.UTF8.GetString(output.ToArray());
    }

    private static async Task StateAsync(AgentRig rig, StateWord state, int detail)
    {
        await InstallScripts.UntilAsync(rig, () => rig.Instance.Channel.Status.PeerHeartbeat is { } h && h.State == state && h.Detail == detail);
    }
}
