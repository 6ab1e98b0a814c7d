using System.Diagnostics;
using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Streams between the half that a real agent runs and a host that is driven by raw messages.</summary>
[Collection("operations that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class InstallPipeTests
{
    private const int Large = 5_000_003;

    [Fact]
    public async Task A_stream_out_of_the_appliance_has_an_end_of_its_own_and_survives_cut_links()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        var content = RandomNumberGenerator.GetBytes(Large);
        var sending = RunAsync(await InstallScripts.SocketOf(driver), new MemoryStream(content), Stream.Null, rig, "send", "--stream", "a");
        await using var stream = await OpenAsync(rig, driver, isToGuest: false, "a");
        using var all = new MemoryStream();
        await ScriptPipe.WaitJoinedAsync(stream, rig.Soon);
        var cuts = 0;
        while (await ScriptPipe.ReadAsync(stream, rig.Soon) is { } message)
        {
            all.Write(message.Span);
            message.Dispose();
            if (all.Length > (cuts + 1) * (Large / 6) && cuts < 5)
            {
                cuts++;
                rig.Instance.DropLink("the test");
            }
        }

        await stream.CompleteAsync(rig.Soon);
        Assert.Equal((0, 5), (await sending, cuts));
        Assert.Equal(content, all.ToArray());
        InstallScripts.GoOn(rig);
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
    }

    [Fact]
    public async Task A_stream_into_the_appliance_waits_for_its_tool_and_is_confirmed()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        var content = RandomNumberGenerator.GetBytes(Large);
        await using var stream = await OpenAsync(rig, driver, isToGuest: true, "a");
        using var all = new MemoryStream();
        var receiving = RunAsync(await InstallScripts.SocketOf(driver), Stream.Null, all, rig, "receive", "--stream", "a");
        await ScriptPipe.WaitJoinedAsync(stream, rig.Soon);
        // Longer messages than a tool takes.
        foreach (var piece in content.Chunk(200_000))
        {
            await stream.WriteAsync(piece, rig.Soon);
        }

        await stream.WriteAsync(default, rig.Soon);
        using var last = await stream.ReadAsync(rig.Soon);
        Assert.True(last.IsEnd);
        Assert.Equal(0, await receiving);
        Assert.Equal(content, all.ToArray());
    }

    [Fact]
    public async Task A_host_that_gives_up_or_ends_early_fails_the_tool_and_the_next_stream_is_good()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        var socket = await InstallScripts.SocketOf(driver);
        foreach (var isReset in (bool[])[true, false])
        {
            var receiving = RunAsync(socket, Stream.Null, Stream.Null, rig, "receive", "--stream");
            var stream = await OpenAsync(rig, driver, isToGuest: true, "stream");
            await ScriptPipe.WaitJoinedAsync(stream, rig.Soon);
            await stream.WriteAsync(new byte[10], rig.Soon);
            await (isReset ? stream.DisposeAsync() : stream.CompleteAsync(rig.Soon));
            Assert.Equal(5, await receiving);
            await stream.DisposeAsync();
        }

        var sending = RunAsync(socket, new MemoryStream([1]), Stream.Null, rig, "send", "--stream");
        await using var good = await OpenAsync(rig, driver, isToGuest: false, "stream");
        await ScriptPipe.WaitJoinedAsync(good, rig.Soon);
        while (await ScriptPipe.ReadAsync(good, rig.Soon) is { } message)
        {
            message.Dispose();
        }

        await good.CompleteAsync(rig.Soon);
        Assert.Equal(0, await sending);
    }

    [Fact]
    public async Task A_stream_of_no_name_another_operation_or_a_script_that_has_ended_is_refused()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        await InstallScripts.SocketOf(driver);
        var waiting = RefusedAsync(rig, new PipeRequest { Operation = driver.Operation, Name = "a" });
        Assert.Equal(ChannelError.InvalidArgument, (await RefusedAsync(rig, new PipeRequest { Operation = driver.Operation, Name = "a/b" })).Code);
        Assert.Equal(ChannelError.NotFound, (await RefusedAsync(rig, new PipeRequest { Operation = ByteString.CopyFrom(new byte[16]), Name = "a" })).Code);
        Assert.False(waiting.IsCompleted);
        InstallScripts.GoOn(rig);
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.Equal(ChannelError.PeerEnded, (await waiting).Code);
    }

    [Fact]
    public async Task A_tool_that_is_killed_is_no_end_for_the_host()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallScripts.Waiting(rig);
        using var tool = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "channel-agent"), ["send", "--stream"])
        {
            RedirectStandardInput = true,
            Environment = { [ScriptVariables.Socket] = await InstallScripts.SocketOf(driver) },
        })!;
        await using var stream = await OpenAsync(rig, driver, isToGuest: false, "stream");
        await ScriptPipe.WaitJoinedAsync(stream, rig.Soon);
        tool.StandardInput.Write("x");
        tool.StandardInput.Flush();
        (await ScriptPipe.ReadAsync(stream, rig.Soon))!.Value.Dispose();
        tool.Kill();
        var e = await Assert.ThrowsAsync<ChannelException>(async () => await ScriptPipe.ReadAsync(stream, rig.Soon));
        Assert.Contains("the stream's writer has ended before the end of the data", e.Message, StringComparison.Ordinal);
        await tool.WaitForExitAsync(rig.Soon);
    }

    private static Task<int> RunAsync(string socket, Stream input, Stream output, AgentRig rig, params string[] arguments) =>
        Task.Run(() => new ScriptTool(input, output, static _ => { }).RunAsync(arguments, socket, rig.Soon));

    private static ValueTask<ChannelStream> OpenAsync(AgentRig rig, InstallDriver driver, bool isToGuest, string name) => rig.Instance.Channel.OpenStreamAsync(
        InstallMethods.Pipe, new PipeRequest { Operation = driver.Operation, IsToGuest = isToGuest, Name = name }, cancellationToken: rig.Soon);

    private static async Task<ChannelException> RefusedAsync(AgentRig rig, PipeRequest request) => await Assert.ThrowsAsync<ChannelException>(async () =>
    {
        await using var stream = await rig.Instance.Channel.OpenStreamAsync(InstallMethods.Pipe, request, cancellationToken: rig.Soon);
        using var message = await stream.ReadAsync(rig.Soon);
    });
}
