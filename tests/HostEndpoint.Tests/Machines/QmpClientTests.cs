using System.Net.Sockets;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>A machine monitor that may be hostile.</summary>
public sealed class QmpClientTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly QmpDouble _monitor;

    public QmpClientTests() => _monitor = new QmpDouble(_folder.At("qmp.sock"));

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public async ValueTask DisposeAsync()
    {
        await _monitor.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{\"return\": {}}")]
    [InlineData("{\"return\": {}, \"id\": \"x\"}")]
    [InlineData("{\"return\": {}, \"id\": 99}")]
    [InlineData("{\"id\": 2}")]
    [InlineData("{\"\\ud800\": 1}")]
    [InlineData("{\"\\ud800vent\": 1}")]
    public async Task What_is_no_answer_of_a_monitor_is_an_error_of_the_transport(string line)
    {
        _monitor.Answer = (_, _) => line + "\n";
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        Assert.Equal(ChannelError.TransportFailed, (await Assert.ThrowsAsync<ChannelException>(() => client.ExecuteAsync("query-status", null, Soon))).Code);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("\u0000")]
    public async Task A_server_that_greets_in_another_way_is_no_monitor(string greeting)
    {
        _monitor.Greeting = greeting + "\n";
        Assert.Equal(ChannelError.TransportFailed, (await Assert.ThrowsAsync<ChannelException>(() => QmpClient.ConnectAsync(_monitor.Path, Soon))).Code);
        Assert.Equal(ChannelError.TransportFailed, (await Assert.ThrowsAsync<ChannelException>(() => MachineProbe.AskAsync(_monitor.Path, cancellationToken: Soon))).Code);
    }

    [Fact]
    public async Task A_monitor_that_goes_before_it_greets_is_a_lost_link()
    {
        var path = _folder.At("gone.sock");
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var connecting = QmpClient.ConnectAsync(path, Soon);
        Assert.True(listener.Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
        // With the connection still in its queue: the client's is reset.
        listener.Dispose();
        Assert.Equal(ChannelError.LinkLost, (await Assert.ThrowsAsync<ChannelException>(() => connecting)).Code);
    }

    [Fact]
    public async Task A_line_without_an_end_is_given_up_at_a_mebibyte()
    {
        _monitor.Answer = (_, _) => "{\"return\": \"" + new string('x', 4 << 20);
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        var before = GC.GetTotalAllocatedBytes();
        var error = await Assert.ThrowsAsync<ChannelException>(() => client.ExecuteAsync("query-status", null, Soon));
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.Contains("1048576", error.Message);
        // The double's own text is in it.
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 40 << 20);
    }

    [Fact]
    public async Task A_line_of_many_values_is_refused_before_anything_is_built_of_it()
    {
        _monitor.Answer = (_, id) => QmpDouble.Return(id, "[" + string.Concat(Enumerable.Repeat("0,", 200_000)) + "0]");
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        Assert.Contains("more than 131072", (await Assert.ThrowsAsync<ChannelException>(() => client.ExecuteAsync("query-status", null, Soon))).Message);
    }

    [Fact]
    public async Task The_answer_of_a_command_that_was_given_up_is_never_the_next_ones()
    {
        long first = 0;
        _monitor.Answer = (command, id) => command == "slow" ? Told(id) : QmpDouble.Return(first, "\"of the first\"") + QmpDouble.Return(id, "\"of the second\"");
        string? Told(long id)
        {
            Volatile.Write(ref first, id);
            return null;
        }

        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        using var cancel = new CancellationTokenSource();
        var slow = client.ExecuteAsync("slow", null, cancel.Token);
        while (Volatile.Read(ref first) == 0)
        {
            await Task.Delay(1, Soon);
        }

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => slow);
        Assert.Equal("of the second", (await client.ExecuteAsync("quick", null, Soon)).GetString());
    }

    [Fact]
    public async Task Events_are_bounded_in_number_and_size_and_a_refusal_is_told_escaped()
    {
        _monitor.Answer = (_, id) => string.Concat(Enumerable.Range(0, 300).Select(i => $"{{\"event\": \"E{i}\"}}\n"))
            + $"{{\"event\": \"{new string('x', 20_000)}\"}}\n{{\"error\": {{\"desc\": \"no\\u001b[2J\"}}, \"id\": {id}}}\n";
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(() => client.ExecuteAsync("query-status", null, Soon));
        Assert.Equal((ChannelError.Internal, "QEMU refused query-status: no\\u001b[2J"), (error.Code, error.Message));
        var kept = new List<string>();
        while (client.Events.TryRead(out var seen))
        {
            kept.Add(seen.GetProperty("event").GetString()!);
        }

        Assert.Equal(Enumerable.Range(44, 256).Select(i => $"E{i}"), kept);
    }

    [Fact]
    public async Task Events_are_taken_while_no_command_waits_and_commands_go_on_beside()
    {
        _monitor.Answer = static (_, id) => QmpDouble.Return(id) + $"{{\"event\": \"BEHIND{id}\"}}\n";
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        _ = client.AttendAsync();
        for (var i = 2; i < 50; i++)
        {
            // An answer that nobody asked for is no later command's.
            await _monitor.SendAsync($"{{\"event\": \"ALONE{i}\"}}\n{QmpDouble.Return(1, "\"late\"")}");
            Assert.Equal($"ALONE{i}", (await client.Events.ReadAsync(Soon)).GetProperty("event").GetString());
            Assert.Equal(System.Text.Json.JsonValueKind.Object, (await client.ExecuteAsync("query-status", null, Soon)).ValueKind);
            Assert.Equal($"BEHIND{i}", (await client.Events.ReadAsync(Soon)).GetProperty("event").GetString());
        }
    }

    [Fact]
    public async Task The_events_end_when_the_monitor_goes_or_is_none()
    {
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        var attending = client.AttendAsync();
        await _monitor.SendAsync("{\"event\": \"SHUTDOWN\"}\n[]\n");
        await attending.WaitAsync(Soon);
        Assert.Single(await client.Events.ReadAllAsync(Soon).ToListAsync(Soon));
    }

    [Fact]
    public async Task Arguments_that_are_no_object_are_refused_and_send_nothing()
    {
        await using var client = await QmpClient.ConnectAsync(_monitor.Path, Soon);
        foreach (var arguments in (string[])["[]", "{}},{\"execute\":\"quit\"", "\"x\""])
        {
            Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(() => client.ExecuteAsync("x", arguments, Soon))).Code);
        }

        await client.ExecuteAsync("y\"", "{\"path\": \"a\\\"b\"}", Soon);
        Assert.Equal(2, _monitor.Lines.Count);
    }
}
