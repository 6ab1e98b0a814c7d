using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Qga;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>What clients can make the agent keep, and what is long.</summary>
[Collection("what all programs may keep")]
public sealed class QgaBoundsTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new();

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_file_of_many_megabytes_comes_in_one_reply()
    {
        var content = new byte[(20 << 20) + 7];
        new Random(1).NextBytes(content);
        var path = _rig.NewFile("large", content);
        var client = await _rig.ConnectAsync();
        var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
        var reply = await client.AskAsync($"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{file},\"count\":{40 << 20}}},\"id\":\"x\"}}");
        var read = reply.GetProperty("return");
        Assert.Equal((content.Length, true, "x"), (read.GetProperty("count").GetInt32(), read.GetProperty("eof").GetBoolean(), reply.GetProperty("id").GetString()));
        Assert.Equal(content, read.GetProperty("buf-b64").GetBytesFromBase64());
    }

    [Fact]
    public async Task Endless_and_deep_texts_are_cut_off_and_the_next_line_is_served()
    {
        var client = await _rig.ConnectAsync();
        var filler = Encoding.ASCII.GetBytes(new string('a', 1 << 20));
        await client.SendAsync("{\"execute\":\"");
        for (var i = 0; i < 6; i++)
        {
            await client.SendAsync(filler);
        }

        Assert.Equal("JSON token size limit exceeded", (await client.ReadAsync()).GetProperty("error").GetProperty("desc").GetString());
        await client.SendAsync("\"}\n");
        await client.CallAsync("guest-ping");
        await client.SendAsync(new string('[', 100_000) + "\n");
        Assert.Equal("JSON nesting depth limit exceeded", (await client.ReadAsync()).GetProperty("error").GetProperty("desc").GetString());
        await client.CallAsync("guest-ping");
    }

    [Fact]
    public async Task The_memory_of_long_requests_is_shared_and_given_back()
    {
        var part = Encoding.ASCII.GetBytes("\"" + new string('a', 3 << 20));
        var clients = new List<QgaTestClient>();
        for (var i = 0; i < 3; i++)
        {
            var client = await QgaTestClient.ConnectAsync(_rig.Socket);
            await client.SendAsync(part);
            clients.Add(client);
        }

        await clients[2].SendAsync("\n{\"execute\":\"guest-ping\"}");
        Assert.Contains("no memory left", (await clients[2].ReadAsync()).ToString(), StringComparison.Ordinal);
        clients.ForEach(static client => client.Dispose());
        // The agent learns of the ends in its own time; then there is room again.
        var last = await _rig.ConnectAsync();
        JsonElement reply;
        do
        {
            await last.SendAsync(part);
            await last.SendAsync("\"\n");
            reply = await last.ReadAsync();
        }
        while (reply.ToString().Contains("no memory left", StringComparison.Ordinal));
        Assert.Contains("QMP input must be a JSON object", reply.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Output_beyond_the_bound_is_cut_and_unfetched_output_is_freed()
    {
        for (var round = 0; round < 2; round++)
        {
            using var client = await QgaTestClient.ConnectAsync(_rig.Socket);
            var cut = new List<bool>();
            for (var i = 0; i < 2; i++)
            {
                var started = await client.CallAsync("guest-exec", "{\"path\":\"head\",\"arg\":[\"-c\",\"20000000\",\"/dev/zero\"],\"capture-output\":true}");
                JsonElement status;
                do
                {
                    status = await client.CallAsync("guest-exec-status", $"{{\"pid\":{started.GetProperty("pid").GetInt64()}}}");
                }
                while (!status.GetProperty("exited").GetBoolean());
                Assert.Equal(16 << 20, status.GetProperty("out-data").GetBytesFromBase64().Length);
                cut.Add(status.GetProperty("out-truncated").GetBoolean());
            }

            Assert.DoesNotContain(false, cut);
            // Left behind, so that only its end gives it back.
            await client.CallAsync("guest-exec", "{\"path\":\"head\",\"arg\":[\"-c\",\"20000000\",\"/dev/zero\"],\"capture-output\":true}");
        }
    }

    [Fact]
    public void Nothing_is_kept_behind_a_hole_in_the_output()
    {
        var first = new QgaOutput();
        var others = new List<QgaOutput>();
        try
        {
            first.Add("FIRST"u8);
            var much = new byte[1 << 20];
            while (others.Count < 48)
            {
                others.Add(new QgaOutput());
                others[^1].Add(much);
            }

            first.Add(new byte[1 << 20]);
            others.ForEach(static other => other.Release());
            first.Add("SECOND"u8);
            Assert.Equal("FIRST", Encoding.ASCII.GetString(first.Kept[..5]));
            Assert.Equal(-1, first.Kept.IndexOf("SECOND"u8));
        }
        finally
        {
            others.ForEach(static other => other.Release());
            first.Release();
        }
    }
}
