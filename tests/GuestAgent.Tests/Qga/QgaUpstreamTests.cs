using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Qga;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>The behaviours that QEMU's own test of its agent (tests/unit/test-qga.c) asks for, one by one.</summary>
public sealed class QgaUpstreamTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new();

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Sync_delimited_begins_its_reply_with_the_byte_0xFF()
    {
        var client = await _rig.ConnectAsync();
        await client.SendAsync(new byte[] { 0xFF });
        await client.SendAsync("{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": 4294967295 } }");
        var line = (await client.ReadLineAsync())!;
        Assert.Equal(0xFF, line[0]);
        Assert.Equal(4294967295, JsonDocument.Parse(line.AsMemory(1)).RootElement.GetProperty("return").GetInt64());
    }

    [Fact]
    public async Task Sync_returns_its_number() =>
        Assert.Equal(1234, (await (await _rig.ConnectAsync()).CallAsync("guest-sync", "{\"id\":1234}")).GetInt64());

    [Fact]
    public async Task Ping_returns_an_empty_object() =>
        Assert.Equal("{}", (await (await _rig.ConnectAsync()).CallAsync("guest-ping")).ToString());

    [Fact]
    public async Task A_requests_id_is_in_its_reply()
    {
        var client = await _rig.ConnectAsync();
        Assert.Equal(1, (await client.AskAsync("{\"execute\":\"guest-ping\",\"id\":1}")).GetProperty("id").GetInt64());
        var odd = await client.AskAsync("{\"execute\":\"guest-nope\",\"id\": [ 1,\n {\"a\" : null} , \"\\u00e9\"]}");
        Assert.Equal("[1,{\"a\":null},\"\\u00e9\"]", odd.GetProperty("id").GetRawText());
    }

    [Fact]
    public async Task An_out_of_band_request_is_an_error() =>
        Assert.Equal("GenericError", (await (await _rig.ConnectAsync()).FailAsync("{\"exec-oob\": \"guest-ping\"}")).Class);

    [Fact]
    public async Task An_argument_too_many_is_named() =>
        Assert.Equal(("GenericError", "Parameter 'foo' is unexpected"), await (await _rig.ConnectAsync()).FailAsync("guest-ping", "{\"foo\": 42 }"));

    [Fact]
    public async Task An_unknown_command_is_not_found() =>
        Assert.Equal(("CommandNotFound", "The command guest-invalid-cmd has not been found"),
            await (await _rig.ConnectAsync()).FailAsync("{\"execute\": \"guest-invalid-cmd\"}"));

    [Fact]
    public async Task Info_tells_the_version_of_this_build() =>
        Assert.Equal(AgentVersion.Text, (await (await _rig.ConnectAsync()).CallAsync("guest-info")).GetProperty("version").GetString());

    [Fact]
    public async Task There_is_a_network_interface_with_a_name() =>
        Assert.NotEmpty((await (await _rig.ConnectAsync()).CallAsync("guest-network-get-interfaces"))[0].GetProperty("name").GetString()!);

    [Fact]
    public async Task There_is_a_processor_and_it_is_online()
    {
        var first = (await (await _rig.ConnectAsync()).CallAsync("guest-get-vcpus"))[0];
        Assert.True(first.GetProperty("online").GetBoolean());
        Assert.True(first.GetProperty("logical-id").GetInt64() >= 0);
    }

    [Fact]
    public async Task File_systems_have_name_mount_point_type_and_disk()
    {
        _rig.Freeze.Mounts = File.ReadAllText("/proc/self/mountinfo");
        var list = await (await _rig.ConnectAsync()).CallAsync("guest-get-fsinfo");
        Assert.Contains(list.EnumerateArray(), static entry => entry.GetProperty("mountpoint").GetString() == "/");
        Assert.All(list.EnumerateArray(), static entry =>
        {
            Assert.NotEmpty(entry.GetProperty("name").GetString()!);
            Assert.NotEmpty(entry.GetProperty("type").GetString()!);
            Assert.Equal(JsonValueKind.Array, entry.GetProperty("disk").ValueKind);
        });
    }

    [Fact]
    public async Task Load_has_three_averages()
    {
        var load = await (await _rig.ConnectAsync()).CallAsync("guest-get-load");
        Assert.All(["load1m", "load5m", "load15m"], name => Assert.True(load.GetProperty(name).GetDouble() >= 0));
    }

    [Fact]
    public async Task Memory_blocks_have_a_size_where_the_kernel_has_them()
    {
        var client = await _rig.ConnectAsync();
        var info = await client.AskAsync("{\"execute\":\"guest-get-memory-block-info\"}");
        var blocks = await client.CallAsync("guest-get-memory-blocks");
        Assert.Equal(info.TryGetProperty("return", out var value) && value.GetProperty("size").GetInt64() > 0, blocks.GetArrayLength() > 0);
        Assert.All(blocks.EnumerateArray(), static block =>
        {
            Assert.True(block.GetProperty("phys-index").GetInt64() >= 0);
            Assert.True(block.TryGetProperty("online", out _));
        });
    }

    [Fact]
    public async Task A_file_is_written_and_read_in_parts()
    {
        var client = await _rig.ConnectAsync();
        var path = $"{_rig.Folder}/foo";
        var hello = "Hello World!\n\0"u8.ToArray();
        var encoded = Convert.ToBase64String(hello);
        var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\",\"mode\":\"w+\"}}")).GetInt64();
        var written = await client.CallAsync("guest-file-write", $"{{\"handle\":{file},\"buf-b64\":\"{encoded}\"}}");
        Assert.Equal((hello.Length, false), (written.GetProperty("count").GetInt32(), written.GetProperty("eof").GetBoolean()));
        await client.CallAsync("guest-file-flush", $"{{\"handle\":{file}}}");
        await client.CallAsync("guest-file-close", $"{{\"handle\":{file}}}");
        Assert.Equal(hello, await File.ReadAllBytesAsync(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite,
            File.GetUnixFileMode(path));

        file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{path}\",\"mode\":\"r\"}}")).GetInt64();
        Assert.Equal((hello.Length, true, encoded), await ReadAsync(client, file));
        Assert.Equal((0, true, ""), await ReadAsync(client, file));
        var at = await client.CallAsync("guest-file-seek", $"{{\"handle\":{file},\"offset\":6,\"whence\":\"set\"}}");
        Assert.Equal((6, false), (at.GetProperty("position").GetInt32(), at.GetProperty("eof").GetBoolean()));
        Assert.Equal((hello.Length - 6, true, Convert.ToBase64String(hello[6..])), await ReadAsync(client, file));
        await client.CallAsync("guest-file-close", $"{{\"handle\":{file}}}");
    }

    [Fact]
    public async Task What_was_written_is_read_back_without_a_flush()
    {
        var client = await _rig.ConnectAsync();
        var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{_rig.Folder}/foo\",\"mode\":\"w+\"}}")).GetInt64();
        await client.CallAsync("guest-file-write", $"{{\"handle\":{file},\"buf-b64\":\"SGVsbG8gV29ybGQhCg==\"}}");
        Assert.Equal((0, true, ""), await ReadAsync(client, file));
        await client.CallAsync("guest-file-seek", $"{{\"handle\":{file},\"offset\":0,\"whence\":\"set\"}}");
        Assert.Equal((13, true, "SGVsbG8gV29ybGQhCg=="), await ReadAsync(client, file));
    }

    [Fact]
    public async Task The_time_is_told() =>
        Assert.True((await (await _rig.ConnectAsync()).CallAsync("guest-get-time")).GetInt64() > 1_700_000_000_000_000_000);

    [Fact]
    public async Task What_is_not_frozen_is_thawed() =>
        Assert.Equal("thawed", (await (await _rig.ConnectAsync()).CallAsync("guest-fsfreeze-status")).GetString());

    [Fact]
    public async Task Blocked_commands_are_disabled_and_others_are_not()
    {
        await using var rig = new QgaRig(static config => config with { QgaCommands = new QgaLists(["*"], ["guest-ping", "guest-get-time"]) });
        var client = await rig.ConnectAsync();
        Assert.Equal(("CommandNotFound", "Command guest-ping has been disabled"), await client.FailAsync("guest-ping", "{}"));
        Assert.Equal(("CommandNotFound", "Command guest-get-time has been disabled"), await client.FailAsync("guest-get-time", "{}"));
        await client.CallAsync("guest-get-fsinfo");
        Assert.Equal(["guest-get-time", "guest-ping"], await DisabledAsync(client));
    }

    [Fact]
    public async Task Where_a_list_allows_commands_no_other_is_enabled()
    {
        await using var rig = new QgaRig(static config => config with { QgaCommands = new QgaLists(["guest-ping", "guest-get-time"], []) });
        var client = await rig.ConnectAsync();
        await client.CallAsync("guest-ping");
        await client.CallAsync("guest-get-time");
        Assert.Equal(("CommandNotFound", "Command guest-get-fsinfo has been disabled"), await client.FailAsync("guest-get-fsinfo", "{}"));
    }

    [Fact]
    public async Task A_program_runs_and_its_output_is_kept()
    {
        var end = await RunAsync("{\"path\":\"echo\",\"arg\":[\"-n\",\"\\\" test_str \\\"\"],\"capture-output\":true}");
        Assert.Equal((0, "\" test_str \""), (end.GetProperty("exitcode").GetInt32(), Text(end, "out-data")));
    }

    [Theory]
    [InlineData("separated", "stdout\nstdout\n", "stderr\nstderr\n")]
    [InlineData("merged", "stdout\nstderr\nstdout\nstderr\n", null)]
    [InlineData("stderr", null, "stderr\nstderr\n")]
    [InlineData("none", null, null)]
    public async Task Output_and_errors_are_kept_as_asked(string capture, string? output, string? error)
    {
        var end = await RunAsync("{\"path\":\"bash\",\"arg\":[\"-c\",\"for i in $(seq 4); do if (( $i % 2 )); then echo stdout; "
            + $"else echo stderr 1>&2; fi; done;\"],\"capture-output\":\"{capture}\"}}");
        Assert.Equal((output, error), (Text(end, "out-data"), Text(end, "err-data")));
    }

    [Fact]
    public async Task A_missing_program_and_an_unknown_number_are_errors()
    {
        var client = await _rig.ConnectAsync();
        Assert.Equal(("GenericError", "Guest agent command failed, error was 'Failed to execute child process “/bin/invalid-cmd42” (No such file or directory)'"),
            await client.FailAsync("guest-exec", "{\"path\":\"/bin/invalid-cmd42\"}"));
        Assert.Equal(("GenericError", "Invalid parameter 'pid'"), await client.FailAsync("guest-exec-status", "{\"pid\":0}"));
    }

    [Fact]
    public void The_fields_of_an_os_release_are_read_as_a_shell_would()
    {
        const string text = "ID=qemu-ga-test\nNAME=QEMU-GA\nPRETTY_NAME=\"QEMU Guest Agent test\"\nVERSION=\"Test 1\"\nVERSION_ID=1\nVARIANT=\"Unit test \\\"\\'\\$\\`\\\\ and \\\\\\\" etc.\"\nVARIANT_ID=unit-test\n";
        Assert.Equal("qemu-ga-test", OsRelease.Value(text, "ID"));
        Assert.Equal("QEMU Guest Agent test", OsRelease.Value(text, "PRETTY_NAME"));
        Assert.Equal("Test 1", OsRelease.Value(text, "VERSION"));
        Assert.Equal("Unit test \"\\'$`\\ and \\\" etc.", OsRelease.Value(text, "VARIANT"));
        Assert.Equal("unit-test", OsRelease.Value(text, "VARIANT_ID"));
    }

    [Fact]
    public async Task The_system_tells_its_name_kernel_zone_and_users()
    {
        var client = await _rig.ConnectAsync();
        var system = await client.CallAsync("guest-get-osinfo");
        Assert.All(["kernel-release", "kernel-version", "machine", "id", "name"], name => Assert.NotEmpty(system.GetProperty(name).GetString()!));
        Assert.Equal(Environment.MachineName, (await client.CallAsync("guest-get-host-name")).GetProperty("host-name").GetString());
        Assert.Equal((long)DateTimeOffset.Now.Offset.TotalSeconds, (await client.CallAsync("guest-get-timezone")).GetProperty("offset").GetInt64());
        Assert.Equal(JsonValueKind.Array, (await client.CallAsync("guest-get-users")).ValueKind);
    }

    private async Task<JsonElement> RunAsync(string arguments)
    {
        var client = await _rig.ConnectAsync();
        var pid = (await client.CallAsync("guest-exec", arguments)).GetProperty("pid").GetInt64();
        Assert.True(pid > 0);
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            soon.Token.ThrowIfCancellationRequested();
            var status = await client.CallAsync("guest-exec-status", $"{{\"pid\":{pid}}}");
            if (status.GetProperty("exited").GetBoolean())
            {
                return status;
            }

            Assert.False(status.TryGetProperty("exitcode", out _), $"an end that was told as none: {status}");
        }
    }

    private static async Task<string[]> DisabledAsync(QgaTestClient client) =>
        [.. (await client.CallAsync("guest-info")).GetProperty("supported_commands").EnumerateArray()
            .Where(static command => !command.GetProperty("enabled").GetBoolean()).Select(static command => command.GetProperty("name").GetString()!).Order()];

    private static string? Text(JsonElement status, string name) =>
        status.TryGetProperty(name, out var data) ? Encoding.UTF8.GetString(data.GetBytesFromBase64()) : null;

    private static async Task<(int Count, bool IsEnd, string Content)> ReadAsync(QgaTestClient client, long file)
    {
        var read = await client.CallAsync("guest-file-read", $"{{\"handle\":{file}}}");
        return (read.GetProperty("count").GetInt32(), read.GetProperty("eof").GetBoolean(), read.GetProperty("buf-b64").GetString()!);
    }
}
