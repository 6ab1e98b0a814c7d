using System.Text;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The scripts' tool and the socket that it calls.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class ScriptToolTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("half-test-");
    private readonly ScriptPair _pair = new();
    private readonly ScriptServer _server;

    public ScriptToolTests() => _server = new ScriptServer(Socket, _pair.Left, new ScriptStreams.WaitingSide(_pair.Left));

    private string Socket => $"{_folder.FullName}/half.sock";

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_socket_is_its_owners_alone_and_gone_with_the_server()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Socket));
        await using (var second = new ScriptServer($"{_folder.FullName}/second", _pair.Left, new ScriptStreams.WaitingSide(_pair.Left)))
        {
            Assert.True(File.Exists($"{_folder.FullName}/second"));
        }

        Assert.False(File.Exists($"{_folder.FullName}/second"));
    }

    [Fact]
    public async Task Bytes_pass_as_they_are_both_ways()
    {
        var bytes = new byte[ScriptLimits.MaxMessage];
        new Random(5).NextBytes(bytes);
        Assert.Equal(0, (await RunAsync(bytes, "send")).Code);
        Assert.Equal(bytes, await _pair.Right.ReceiveAsync(null, ScriptPair.Soon));
        await _pair.Right.SendAsync(bytes, ScriptPair.Soon);
        var received = await RunAsync([], "receive");
        Assert.Equal((0, ""), (received.Code, received.Complaint));
        Assert.Equal(bytes, received.Output);
        Assert.Equal(0, (await RunAsync([], "send", "--", "--text")).Code);
        Assert.Equal("--text"u8.ToArray(), await _pair.Right.ReceiveAsync(null, ScriptPair.Soon));
    }

    [Fact]
    public async Task Tools_that_wait_do_not_keep_others_waiting()
    {
        Task<Run>[] waiting = [.. Enumerable.Range(0, ScriptLimits.MaxCalls - 1).Select(_ => RunAsync([], "receive"))];
        Assert.Equal(0, (await RunAsync([], "progress", "12.5", "a", "b")).Code);
        Assert.Equal((12_500u, "a b"), (_pair.LeftSide.Progress[0].MilliPercent, _pair.LeftSide.Progress[0].Text));
        for (var i = 0; i < waiting.Length; i++)
        {
            await _pair.Right.SendAsync(new[] { (byte)i }, ScriptPair.Soon);
        }

        var bytes = (await Task.WhenAll(waiting)).Select(run => run.Output.Single());
        Assert.Equal(Enumerable.Range(0, waiting.Length).Select(i => (byte)i), bytes.Order());
    }

    [Fact]
    public async Task Each_verb_does_what_the_help_says()
    {
        _pair.Parameters.Add("Disk", [.. "/dev/vda"u8]);
        Assert.Equal("/dev/vda", Encoding.UTF8.GetString((await RunAsync([], "parameter", "Disk")).Output));
        Assert.Equal(0, (await RunAsync([], "step", "format", "0", "20")).Code);
        Assert.Equal(0, (await RunAsync([], "progress", "50")).Code);
        Assert.Equal(0, (await RunAsync([], "step", "--end")).Code);
        Assert.Equal([0u, 10_000, 20_000], _pair.LeftSide.Progress.Select(p => p.MilliPercent));
        Assert.Equal(0, (await RunAsync([], "result", "done")).Code);
        Assert.Equal("done"u8.ToArray(), _pair.LeftSide.Result);
        var barrier = RunAsync([], "barrier", "mounted", "--timeout", "20");
        await _pair.Right.BarrierAsync("mounted", null, ScriptPair.Soon);
        Assert.Equal(0, (await barrier).Code);
    }

    [Fact]
    public async Task Each_line_of_the_input_becomes_a_line_of_the_log()
    {
        var noise = new byte[20_000];
        new Random(1).NextBytes(noise);
        noise.AsSpan().Replace((byte)'\n', (byte)' ');
        Assert.Equal(0, (await RunAsync([.. "one\n\n"u8, .. noise, .. "\nlast"u8], "log", "--level", "warning")).Code);
        Assert.Equal(0, (await RunAsync([], "log", "two", "words")).Code);
        Assert.Equal(["one", "", "last", "two words"], _pair.LeftSide.Log.Select(l => l.Text).Where(t => t.Length < 100));
        Assert.Equal([2u, 2, 2, 2, 1], _pair.LeftSide.Log.Select(l => l.Level));
        Assert.InRange(Encoding.UTF8.GetByteCount(_pair.LeftSide.Log[2].Text), 1, ScriptLimits.MaxLog);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(2, "bogus")]
    [InlineData(2, "progress")]
    [InlineData(2, "progress", "900")]
    [InlineData(2, "progress", "-1")]
    [InlineData(2, "progress", "99999999999999999999999999999999")]
    [InlineData(2, "step", "name", "10")]
    [InlineData(2, "step", "name", "50", "20")]
    [InlineData(2, "step", "")]
    [InlineData(2, "barrier", "a/b")]
    [InlineData(2, "barrier", "b", "--timeout", "never")]
    [InlineData(2, "send", "--timeout", "3")]
    [InlineData(2, "send", "--stream", "a/b")]
    [InlineData(2, "receive", "--stream", "a", "b")]
    [InlineData(2, "result", "--stream")]
    [InlineData(7, "receive", "--stream", "--timeout", "0.01")]
    [InlineData(7, "send", "--stream", "a", "--timeout", "0.01")]
    [InlineData(2, "log", "--level", "loud", "x")]
    [InlineData(4, "step", "--end")]
    [InlineData(7, "receive", "--timeout", "0.001")]
    [InlineData(7, "barrier", "b", "--timeout", "0.01")]
    [InlineData(8, "parameter", "missing")]
    public async Task A_wrong_call_says_what_is_wrong(int code, params string[] arguments)
    {
        var run = await RunAsync([], arguments);
        Assert.Equal(code, run.Code);
        Assert.NotEmpty(run.Complaint);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task Too_much_input_is_refused_before_it_is_sent()
    {
        Assert.Equal(2, (await RunAsync(new byte[ScriptLimits.MaxMessage + 1], "send")).Code);
        Assert.Equal(7, (await FailCodeAsync()));

        async Task<int> FailCodeAsync()
        {
            await _pair.Right.SendAsync("only this"u8.ToArray(), ScriptPair.Soon);
            _ = await RunAsync([], "receive");
            return (await RunAsync([], "receive", "--timeout", "0.01")).Code;
        }
    }

    [Fact]
    public async Task The_other_halfs_end_has_its_own_exit_code()
    {
        var waiting = RunAsync([], "receive");
        _pair.Left.OnPeer(InstallMessage.Ended, [.. Google.Protobuf.MessageExtensions.ToByteArray(new ScriptEnded { Signal = 9 })]);
        var run = await waiting;
        Assert.Equal((6, "the other half was ended by signal 9"), (run.Code, run.Complaint));
    }

    [Fact]
    public async Task Without_an_operation_the_tool_says_so()
    {
        Assert.Equal(3, (await RunAsync(null, [], "progress", "1")).Code);
        Assert.Equal(3, (await RunAsync($"{_folder.FullName}/nobody", [], "progress", "1")).Code);
        var waiting = RunAsync([], "receive");
        await RunAsync([], "progress", "1");
        await _server.DisposeAsync();
        Assert.Contains((await waiting).Code, new[] { 3, 5 });
    }

    private Task<Run> RunAsync(byte[] input, params string[] arguments) => RunAsync(Socket, input, arguments);

    private static async Task<Run> RunAsync(string? socket, byte[] input, params string[] arguments)
    {
        using var output = new MemoryStream();
        var complaint = new StringBuilder();
        var command = new ScriptTool(new MemoryStream(input), output, line => complaint.Append(line));
        return new Run(await command.RunAsync(arguments, socket, ScriptPair.Soon), output.ToArray(), complaint.ToString());
    }

    private sealed record Run(int Code, byte[] Output, string Complaint);
}
