namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>What no good client sends. Texts in the table are those of qemu-ga 7.2.22.</summary>
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
        using var client = await _rig.ConnectAsync();
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
        var client = await _rig.ConnectAsync();
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
        var client = await _rig.ConnectAsync();
        var (errorClass, text) = await client.FailAsync(request);
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
        var client = await _rig.ConnectAsync();
        var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{_rig.Folder}/x\",\"mode\":\"w\"}}")).GetInt64();
        var arguments = $"{{\"handle\":{file},\"buf-b64\":\"{text}\"}}";
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
        var path = _rig.NewFile("x", [1, 2, 3]);
        var client = await _rig.ConnectAsync();
        var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\",\"mode\":\"r+\"}}")).GetInt64();
        foreach (var count in new[] { -1, (48 << 20) + 1, long.MaxValue })
        {
            Assert.Equal(("GenericError", $"value '{count}' is invalid for argument count"), await client.FailAsync("guest-file-read", $"{{\"handle\":{file},\"count\":{count}}}"));
        }

        Assert.Equal(("GenericError", "value '9' is invalid for argument count"),
            await client.FailAsync("guest-file-write", $"{{\"handle\":{file},\"buf-b64\":\"SGVs\",\"count\":9}}"));
        Assert.Equal(0, (await client.CallAsync("guest-file-read", $"{{\"handle\":{file},\"count\":0}}")).GetProperty("count").GetInt32());
    }

    [Theory]
    [InlineData("{'execute':'guest-sync','arguments':{'id':7}}")]
    [InlineData("{ 'execute' : \"guest-sync\", \"arguments\" : { 'id' : 7 } }")]
    [InlineData("{'execute':'guest-sync','arguments':{'id':7},'id':'a\"b\\'c}{'}")]
    public async Task Texts_in_single_quotes_are_texts(string request) =>
        Assert.Equal(7, (await (await _rig.ConnectAsync()).AskAsync(request)).GetProperty("return").GetInt64());
}
