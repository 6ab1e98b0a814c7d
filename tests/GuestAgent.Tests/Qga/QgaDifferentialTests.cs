using System.Diagnostics;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>Debian's qemu-ga and this agent on the same machine: the same requests, the answers side by side.</summary>
[Collection("what all programs may keep")]
[Trait(Lane.Name, Lane.Integration)]
public sealed class QgaDifferentialTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new(static config => config with { MaxPrograms = 64 });
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("qemu-ga-");
    private Process? _process;
    private QgaTestClient _ours = null!;
    private QgaTestClient _theirs = null!;

    public async Task InitializeAsync()
    {
        const string program = "/usr/sbin/qemu-ga";
        Assert.True(File.Exists(program), "qemu-ga is missing: scripts/prerequisites.sh installs qemu-guest-agent");
        _process = Process.Start(new ProcessStartInfo(program)
        {
            ArgumentList = { "-m", "unix-listen", "-p", $"{_folder.FullName}/sock", "-t", _folder.FullName, "-f", $"{_folder.FullName}/pid", "-l", $"{_folder.FullName}/log" },
        });
        _ours = await _rig.ConnectAsync();
        _theirs = await QgaTestClient.ConnectAsync($"{_folder.FullName}/sock");
    }

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        _theirs?.Dispose();
        await _rig.DisposeAsync();
        if (_process is not null)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("\"path\":\"/usr/bin/env\",\"env\":[\"a.b=c\",\"X-Y=1\",\"A=b\",\"PATH=/nowhere\",\"BASH_FUNC_x%%=() { :; }\"],\"capture-output\":true")]
    [InlineData("\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"echo out; echo err >&2; exit 3\"],\"capture-output\":true")]
    [InlineData("\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"echo out; exit 3\"]")]
    [InlineData("\"path\":\"/bin/cat\",\"input-data\":\"YWJj\\nZGVm\\n\",\"capture-output\":true")]
    [InlineData("\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"kill -9 $$\"],\"capture-output\":true")]
    [InlineData("\"path\":\"/usr/bin/head\",\"arg\":[\"-c\",\"3000000\",\"/dev/zero\"],\"capture-output\":true")]
    [InlineData("\"path\":\"/usr/bin/head\",\"arg\":[\"-c\",\"17000000\",\"/dev/zero\"],\"capture-output\":true")]
    public async Task A_program_ends_the_same(string arguments)
    {
        var theirs = Members(await EndAsync(_theirs, await StartAsync(_theirs, arguments)));
        Assert.Equal(theirs, Members(await EndAsync(_ours, await StartAsync(_ours, arguments))));
    }

    [Theory]
    [InlineData("YWJjZGVm")]
    [InlineData("YWJj\\nZGVm")]
    [InlineData("YWJjZGVm\\n")]
    [InlineData("\\n\\nYWJjZGU=\\n")]
    [InlineData("YWJj ZGVm")]
    [InlineData("YWJj\\r\\nZGVm")]
    [InlineData("YWJj-GVm")]
    public async Task Base64_is_taken_or_refused_the_same(string text)
    {
        var counts = await Task.WhenAll(new[] { _ours, _theirs }.Select(async client =>
        {
            var file = (await client.CallAsync("guest-file-open", $"{{\"path\":\"{_rig.Folder}/{(client == _ours ? "o" : "t")}\",\"mode\":\"w\"}}")).GetInt64();
            var reply = await client.AskAsync($"{{\"execute\":\"guest-file-write\",\"arguments\":{{\"handle\":{file},\"buf-b64\":\"{text}\"}}}}");
            return reply.TryGetProperty("return", out var written) ? written.GetProperty("count").GetInt32() : -1;
        }));
        Assert.Equal(counts[1], counts[0]);
    }

    [Theory]
    [InlineData("{'execute':'guest-ping'}")]
    [InlineData("{'execute':'guest-sync','arguments':{'id':7}}")]
    [InlineData("{\"execute\":'guest-ping','id':'a\"b'}")]
    [InlineData("{'execute':'guest-ping','id':'a\\'b'}")]
    [InlineData("{\"execute\":\"guest-ping\",\"id\":\"it's\"}")]
    [InlineData("{'execute':'guest-ping\"}'}")]
    public async Task Forms_of_JSON_are_taken_the_same(string request)
    {
        var theirs = await _theirs.AskAsync(request);
        var ours = await _ours.AskAsync(request);
        Assert.Equal(theirs.TryGetProperty("error", out _), ours.TryGetProperty("error", out _));
        Assert.Equal(Id(theirs), Id(ours));
    }

    [Fact]
    public async Task The_ends_of_forty_programs_are_kept_until_they_are_asked_for()
    {
        foreach (var client in new[] { _theirs, _ours })
        {
            var pids = new List<long>();
            for (var i = 0; i < 40; i++)
            {
                pids.Add(await StartAsync(client, $"\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"exit {i}\"]"));
            }

            for (var i = 0; i < 40; i++)
            {
                Assert.Equal(i, (await EndAsync(client, pids[i])).GetProperty("exitcode").GetInt32());
            }
        }
    }

    [Fact]
    public async Task What_a_program_leaves_in_the_background_writes_on_where_nothing_is_captured()
    {
        foreach (var client in new[] { _theirs, _ours })
        {
            var path = $"{_rig.Folder}/{(client == _ours ? "o" : "t")}";
            var pid = await StartAsync(client, $"\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"(while [ ! -e {path}.go ]; do sleep 0.01; done; echo a; echo b; touch {path}) & echo done\"]");
            await EndAsync(client, pid);
            await File.WriteAllTextAsync($"{path}.go", "");
            for (var i = 0; i < 1000 && !File.Exists(path); i++)
            {
                await Task.Delay(10);
            }

            Assert.True(File.Exists(path));
        }
    }

    [Fact]
    public async Task A_program_whose_interpreter_is_missing_is_an_error_of_the_start()
    {
        var script = _rig.NewFile("script", "#!/nowhere/sh\n"u8.ToArray());
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        foreach (var client in new[] { _theirs, _ours })
        {
            Assert.Equal("GenericError", (await client.FailAsync("guest-exec", $"{{\"path\":\"{script}\"}}")).Class);
        }
    }

    private static async Task<long> StartAsync(QgaTestClient client, string arguments) =>
        (await client.CallAsync("guest-exec", $"{{{arguments}}}")).GetProperty("pid").GetInt64();

    private static async Task<JsonElement> EndAsync(QgaTestClient client, long pid)
    {
        while (true)
        {
            var status = await client.CallAsync("guest-exec-status", $"{{\"pid\":{pid}}}");
            if (status.GetProperty("exited").GetBoolean())
            {
                return status;
            }

            await Task.Delay(5);
        }
    }

    private static Dictionary<string, string> Members(JsonElement value) => value.EnumerateObject().ToDictionary(static member => member.Name, static member => member.Value.ToString());

    private static string Id(JsonElement reply) => reply.TryGetProperty("id", out var id) ? id.ToString() : "";
}
