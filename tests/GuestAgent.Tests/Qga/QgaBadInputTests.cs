using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Qga;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>What no good client sends, and what clients do to each other. Texts in the table are those of qemu-ga 7.2.22.</summary>
[Collection("what all programs may keep")]
public sealed class QgaBadInputTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new();

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_hybrid_suspend_is_silent_where_the_guest_can_and_an_error_where_it_cannot()
    {
        using QgaTestClient client = await _rig.ConnectAsync();
        _rig.Power.SleepStates = "freeze mem disk";
        Assert.Contains("it has no systemd", (await client.FailAsync("guest-suspend-hybrid", "{}")).Text, StringComparison.Ordinal);
        _rig.Power.Paths.UnionWith(["/run/systemd/system", "/usr/bin/systemctl"]);
        await client.SendAsync("{\"execute\":\"guest-suspend-hybrid\"}\n");
        // The next line is this one's: the suspend had none.
        await client.CallAsync("guest-ping");
        Assert.True(SpinWait.SpinUntil(() => _rig.Power.Done.Contains("/usr/bin/systemctl hybrid-sleep"), TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [InlineData("{\"execute\":\"guest-ping\",\"arguments\":[]}", "QMP input member 'arguments' must be an object")]
    [InlineData("{\"execute\":\"guest-ping\",\"arguments\":null}", "QMP input member 'arguments' must be an object")]
    [InlineData("{\"execute\":1}", "QMP input member 'execute' must be a string")]
    [InlineData("{\"exec-oob\":\"guest-ping\",\"execute\":\"guest-ping\"}", "QMP input member 'exec-oob' is unexpected")]
    [InlineData("{\"execute\":\"guest-ping\",\"xx\":1}", "QMP input member 'xx' is unexpected")]
    [InlineData("{}", "QMP input lacks member 'execute'")]
    [InlineData("[1,2]", "QMP input must be a JSON object")]
    [InlineData("42 ", "QMP input must be a JSON object")]
    [InlineData("\"str\"", "QMP input must be a JSON object")]
    [InlineData("null ", "QMP input must be a JSON object")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":9223372036854775808}}", "Invalid parameter type for 'id', expected: integer")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1.0}}", "Invalid parameter type for 'id', expected: integer")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":\"1\"}}", "Invalid parameter type for 'id', expected: integer")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":true}}", "Invalid parameter type for 'id', expected: integer")]
    [InlineData("{\"execute\":\"guest-sync\"}", "Parameter 'id' is missing")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1,\"x\":2}}", "Parameter 'x' is unexpected")]
    [InlineData("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1,\"id\":2}}", "JSON parse error, duplicate key")]
    [InlineData("{\"execute\":\"guest-ping\",\"execute\":\"guest-ping\"}", "JSON parse error, duplicate key")]
    [InlineData("{\"execute\":\"guest-ping\",}", "JSON parse error, expecting value")]
    [InlineData("}", "JSON parse error, expecting value")]
    [InlineData("{\"execute\":}", "JSON parse error, expecting value")]
    [InlineData("{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/nonexistent/x\"}}",
        "failed to open file '/nonexistent/x' (mode: 'r'): No such file or directory")]
    [InlineData("{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/etc/hostname\",\"mode\":\"q\"}}", "invalid file open mode 'q'")]
    [InlineData("{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":5}}", "Invalid parameter type for 'path', expected: string")]
    [InlineData("{\"execute\":\"guest-file-open\",\"arguments\":{\"mode\":\"r\"}}", "Parameter 'path' is missing")]
    [InlineData("{\"execute\":\"guest-file-read\",\"arguments\":{\"handle\":1}}", "handle '1' has not been found")]
    [InlineData("{\"execute\":\"guest-file-flush\",\"arguments\":{\"handle\":-1}}", "handle '-1' has not been found")]
    [InlineData("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/cat\",\"arg\":\"x\"}}", "Invalid parameter type for 'arg', expected: array")]
    [InlineData("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/cat\",\"arg\":[1]}}", "Invalid parameter type for 'arg[0]', expected: string")]
    [InlineData("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/cat\",\"input-data\":\"!!\"}}", "Base64 data contains invalid characters")]
    [InlineData("{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[{\"logical-id\":99999,\"online\":true}]}}",
        "open(\"/sys/devices/system/cpu/cpu99999/\"): No such file or directory")]
    [InlineData("{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[{\"logical-id\":0}]}}", "Parameter 'vcpus[0].online' is missing")]
    [InlineData("{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[{\"logical-id\":0,\"online\":true,\"zz\":1}]}}", "Parameter 'vcpus[0].zz' is unexpected")]
    [InlineData("{\"execute\":\"guest-set-user-password\",\"arguments\":{\"username\":\"a:b\",\"password\":\"eA==\",\"crypted\":false}}", "forbidden characters in username")]
    [InlineData("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"zzz\"}}", "mode is invalid (valid values are: halt|powerdown|reboot")]
    public async Task A_wrong_request_has_the_error_that_clients_know(string request, string error)
    {
        QgaTestClient client = await _rig.ConnectAsync();
        Assert.Equal(("GenericError", error), await client.FailAsync(request));
        await client.CallAsync("guest-ping");
    }

    [Theory]
    [InlineData("{\"execute\":\"a\\qb\"}")]
    [InlineData("{\"execute\":\"\\ud800\"}")]
    [InlineData("{\"\\udfff\":1}")]
    [InlineData("{\"execute\":\"guest-ping\"]")]
    [InlineData("{execute:1}")]
    [InlineData("{1:2}")]
    [InlineData("{\"execute\":\"guest-ping\",\"arguments\":{\"a\":01}}")]
    [InlineData("nul ")]
    [InlineData("{\"execute\":\"a\u0001b\"}")]
    public async Task What_is_no_JSON_is_said_to_be_none(string request)
    {
        QgaTestClient client = await _rig.ConnectAsync();
        (string errorClass, string text) = await client.FailAsync(request);
        Assert.Equal("GenericError", errorClass);
        Assert.StartsWith("JSON parse error, ", text, StringComparison.Ordinal);
        await client.CallAsync("guest-ping");
    }

    [Theory]
    [InlineData("SGVsbG8=", 5)]
    [InlineData("SGVsbG8", 5)]
    [InlineData("SGVsbA", 4)]
    [InlineData("", 0)]
    [InlineData("!!!!", -1)]
    [InlineData("SGVs bG8=", -1)]
    [InlineData("SGVs\\nbG8=\\n", 5)]
    [InlineData("\\nSGVsbG8\\n", 5)]
    [InlineData("SGVs\\r\\nbG8=", -1)]
    [InlineData("S", -1)]
    [InlineData("SG=sbG8", -1)]
    [InlineData("\\u0053GVs", 3)]
    public async Task Base64_is_decoded_or_refused(string text, int length)
    {
        QgaTestClient client = await _rig.ConnectAsync();
        long file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{_rig.Folder}/x\",\"mode\":\"w\"}}")).GetInt64();
        string arguments = $"{{\"handle\":{file},\"buf-b64\":\"{text}\"}}";
        if (length < 0)
        {
            Assert.Equal(("GenericError", "Base64 data contains invalid characters"), await client.FailAsync("guest-file-write", arguments));
        }
        else
        {
            Assert.Equal(length, (await client.CallAsync("guest-file-write", arguments)).GetProperty("count").GetInt32());
        }
        Assert.Equal("Hello"[..Math.Max(0, length)], await File.ReadAllTextAsync($"{_rig.Folder}/x"));
    }

    [Fact]
    public async Task Counts_out_of_range_are_refused()
    {
        string path = _rig.NewFile("x", [1, 2, 3]);
        QgaTestClient client = await _rig.ConnectAsync();
        long file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\",\"mode\":\"r+\"}}")).GetInt64();
        foreach (long count in new[] { -1, (48 << 20) + 1, long.MaxValue })
        {
            Assert.Equal(("GenericError", $"value '{count}' is invalid for argument count"), await client.FailAsync("guest-file-read", $"{{\"handle\":{file},\"count\":{count}}}"));
        }
        Assert.Equal(("GenericError", "value '9' is invalid for argument count"),
            await client.FailAsync("guest-file-write", $"{{\"handle\":{file},\"buf-b64\":\"SGVs\",\"count\":9}}"));
        Assert.Equal(0, (await client.CallAsync("guest-file-read", $"{{\"handle\":{file},\"count\":0}}")).GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task A_file_of_many_megabytes_comes_in_one_reply()
    {
        byte[] content = new byte[(20 << 20) + 7];
        new Random(1).NextBytes(content);
        string path = _rig.NewFile("large", content);
        QgaTestClient client = await _rig.ConnectAsync();
        long file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
        JsonElement reply = await client.AskAsync($"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{file},\"count\":{40 << 20}}},\"id\":\"x\"}}");
        JsonElement read = reply.GetProperty("return");
        Assert.Equal((content.Length, true, "x"), (read.GetProperty("count").GetInt32(), read.GetProperty("eof").GetBoolean(), reply.GetProperty("id").GetString()));
        Assert.Equal(content, read.GetProperty("buf-b64").GetBytesFromBase64());
    }

    [Fact]
    public async Task Half_a_request_of_one_client_never_reaches_the_next()
    {
        using (QgaTestClient first = await QgaTestClient.ConnectAsync(_rig.Socket))
        {
            await first.SendAsync("{\"execute\":\"guest-pi");
        }
        QgaTestClient second = await _rig.ConnectAsync();
        await second.CallAsync("guest-ping");
    }

    [Fact]
    public async Task The_byte_0xFF_drops_half_a_request_wherever_it_was_cut()
    {
        QgaTestClient client = await _rig.ConnectAsync();
        const string request = "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":\"\\u00e9\"}}";
        for (int length = 0; length < request.Length; length++)
        {
            await client.SendAsync(request[..length]);
            await client.SendAsync(new byte[] { 0xFF });
            Assert.Equal(length, (await client.CallAsync("guest-sync", $"{{\"id\":{length}}}")).GetInt32());
        }
    }

    [Fact]
    public async Task A_client_that_leaves_with_replies_unread_ends_only_itself()
    {
        string path = _rig.NewFile("large", new byte[8 << 20]);
        QgaTestClient other = await _rig.ConnectAsync();
        for (int i = 0; i < 5; i++)
        {
            using QgaTestClient rude = await QgaTestClient.ConnectAsync(_rig.Socket);
            long file = (await rude.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
            await rude.SendAsync($"{{\"execute\":\"guest-file-read\",\"arguments\":{{\"handle\":{file},\"count\":{8 << 20}}}}}");
        }
        await other.CallAsync("guest-ping");
        await (await _rig.ConnectAsync()).CallAsync("guest-ping");
    }

    [Fact]
    public async Task Clients_are_served_side_by_side_and_have_their_own_files()
    {
        string path = _rig.NewFile("x", "abc"u8.ToArray());
        QgaTestClient one = await _rig.ConnectAsync();
        QgaTestClient two = await _rig.ConnectAsync();
        await one.SendAsync("{\"execute\":");
        await two.CallAsync("guest-ping");
        await one.SendAsync("\"guest-ping\"}");
        Assert.True((await one.ReadAsync()).TryGetProperty("return", out _));
        long file = (await one.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64();
        Assert.Equal(("GenericError", $"handle '{file}' has not been found"), await two.FailAsync("guest-file-read", $"{{\"handle\":{file}}}"));
        await one.CallAsync("guest-file-close", $"{{\"handle\":{file}}}");
        Assert.Equal(("GenericError", $"handle '{file}' has not been found"), await one.FailAsync("guest-file-close", $"{{\"handle\":{file}}}"));
        Assert.True((await one.CallAsync("guest-file-open", $"{{\"path\":\"{path}\"}}")).GetInt64() > file);
    }

    [Fact]
    public async Task Requests_in_one_piece_or_byte_by_byte_are_the_same()
    {
        QgaTestClient client = await _rig.ConnectAsync();
        await client.SendAsync("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1}}{\"execute\":\"guest-sync\",\"arguments\":{\"id\":2}}\n\n  ");
        foreach (byte next in "{ \"execute\" : \"guest-sync\" ,\n\"arguments\":{\"id\":3} }"u8.ToArray())
        {
            await client.SendAsync(new[] { next });
        }
        foreach (int id in new[] { 1, 2, 3 })
        {
            Assert.Equal(id, (await client.ReadAsync()).GetProperty("return").GetInt32());
        }
    }

    [Fact]
    public async Task Endless_and_deep_texts_are_cut_off_and_the_next_line_is_served()
    {
        QgaTestClient client = await _rig.ConnectAsync();
        byte[] filler = Encoding.ASCII.GetBytes(new string('a', 1 << 20));
        await client.SendAsync("{\"execute\":\"");
        for (int i = 0; i < 6; i++)
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
        byte[] part = Encoding.ASCII.GetBytes("\"" + new string('a', 3 << 20));
        var clients = new List<QgaTestClient>();
        for (int i = 0; i < 3; i++)
        {
            QgaTestClient client = await QgaTestClient.ConnectAsync(_rig.Socket);
            await client.SendAsync(part);
            clients.Add(client);
        }
        await clients[2].SendAsync("\n{\"execute\":\"guest-ping\"}");
        Assert.Contains("no memory left", (await clients[2].ReadAsync()).ToString(), StringComparison.Ordinal);
        clients.ForEach(static client => client.Dispose());
        // The agent learns of the ends in its own time; then there is room again.
        QgaTestClient last = await _rig.ConnectAsync();
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
    public async Task Output_beyond_what_is_kept_is_cut_and_what_nobody_asks_for_is_given_back()
    {
        for (int round = 0; round < 2; round++)
        {
            using QgaTestClient client = await QgaTestClient.ConnectAsync(_rig.Socket);
            var cut = new List<bool>();
            for (int i = 0; i < 2; i++)
            {
                JsonElement started = await client.CallAsync("guest-exec", "{\"path\":\"head\",\"arg\":[\"-c\",\"20000000\",\"/dev/zero\"],\"capture-output\":true}");
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
            byte[] much = new byte[1 << 20];
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

    [Theory]
    [InlineData("{'execute':'guest-sync','arguments':{'id':7}}")]
    [InlineData("{ 'execute' : \"guest-sync\", \"arguments\" : { 'id' : 7 } }")]
    [InlineData("{'execute':'guest-sync','arguments':{'id':7},'id':'a\"b\\'c}{'}")]
    public async Task Texts_in_single_quotes_are_texts(string request) =>
        Assert.Equal(7, (await (await _rig.ConnectAsync()).AskAsync(request)).GetProperty("return").GetInt64());

    [Fact]
    public async Task A_request_that_a_pause_of_the_guest_splits_is_whole()
    {
        var time = new ManualTime();
        await using var rig = new QgaRig(time: time);
        QgaTestClient client = await rig.ConnectAsync();
        await client.CallAsync("guest-ping");
        await client.SendAsync("{\"execute\":\"guest-sync\",\"argum");
        await Task.Delay(50);
        time.Advance(QgaConnection.PartKeptFor + TimeSpan.FromSeconds(1));
        await client.SendAsync("ents\":{\"id\":7}}\n");
        Assert.Equal(7, (await client.ReadAsync()).GetProperty("return").GetInt64());
        await client.SendAsync("{\"execute\":\"guest-sync\",\"argum");
        await Task.Delay(50);
        time.Advance(QgaConnection.PartKeptFor + TimeSpan.FromSeconds(1));
        Assert.Equal("{}", (await client.CallAsync("guest-ping")).ToString());
    }

    [Fact]
    public void Half_a_text_that_was_dropped_leaves_no_trace()
    {
        var framer = new QgaFramer(new QgaMemory());
        Feed(framer, "{\"execute\":\"x");
        Assert.Null(framer.Next());
        Assert.True(framer.HasPart);
        framer.Drop();
        Feed(framer, "{}");
        Assert.Equal("{}", Encoding.ASCII.GetString(framer.Next()!.Value.Span));
        Assert.False(framer.HasPart);
    }

    internal static void Feed(QgaFramer framer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        bytes.CopyTo(framer.Space);
        framer.Take(bytes.Length);
    }
}
