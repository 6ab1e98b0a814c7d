using System.Net;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>
/// A script's own programs fetch by the host's proxy: through the agent, the channel, and from a server on an address that they reach by
/// no other way of theirs, as http_proxy is set.
/// </summary>
[Collection("operations that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public sealed class InstallProxyTests : IDisposable
{
    private const string ServerAddress = "127.0.0.2";
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-proxy-").FullName;
    private readonly HeadServer _server = new(static head => head.Split(' ')[1] switch
    {
        "/debian/file" => HeadServer.Ok("the content"),
        "/debian/moved" => "HTTP/1.1 302 Found\r\nLocation: /debian/file\r\nContent-Length: 0\r\n\r\n",
        "/debian/away" => "HTTP/1.1 302 Found\r\nLocation: /secret\r\nContent-Length: 0\r\n\r\n",
        "/debian/./Packages" => HeadServer.Ok("Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nFilename: ./hello.deb\nSize: 1\nSHA256: 00\nDescription: a test\n\n"),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    }, ServerAddress);

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    public void Dispose()
    {
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Runs a script, with the server as its parameter; gives the last lines of its output, and all events.</summary>
    private async Task<(InstallResult Result, string Output, List<InstallEvent> Events)> RunAsync(string script, params string[] mirrors)
    {
        Directory.CreateDirectory($"{_folder}/definitions/os/untrusted");
        File.WriteAllText($"{_folder}/definitions/os/untrusted/create", $"#!/bin/sh\nset -e\n{script}\n");
        File.SetUnixFileMode($"{_folder}/definitions/os/untrusted/create", UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        var records = new InstanceRecordStore($"{_folder}/records");
        records.Put(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsDefinition = "os" }
            .With("url", OsParameter.Public(_server.Url)).With("place", OsParameter.Public($"{ServerAddress}:{_server.Port}")));
        var operation = new Installer(new InstallerOptions
        {
            Folder = $"{_folder}/state",
            Records = records,
            Definitions = new DefinitionCatalog($"{_folder}/definitions"),
            Launcher = new AgentLauncher(),
            Deadline = TimeSpan.FromSeconds(60),
            Mirrors = [.. mirrors.Select(static mirror => new Uri(mirror))],
            MirrorNetworks = [IPNetwork.Parse($"{ServerAddress}/32")],
        }).Start(new InstallRequest { Instance = "vm1" });
        var events = await operation.Events.ReadAsync(0, Soon).ToListAsync(Soon);
        var result = await operation.Completion.WaitAsync(Soon);
        return (result, string.Join('\n', events.OfType<OutputEvent>().Where(static e => !e.IsError).Select(static e => e.Text)), events);
    }

    private static IEnumerable<string> Log(List<InstallEvent> events) => events.OfType<LogEvent>().Where(static e => e.Text.StartsWith("mirror", StringComparison.Ordinal)).Select(static e => e.Text);

    [Fact]
    public async Task Without_a_mirror_there_is_no_proxy()
    {
        var (result, output, events) = await RunAsync("echo \"[$http_proxy$https_proxy$no_proxy]\"");
        Assert.Equal(("", "[]"), (result.Reason, output));
        Assert.Empty(Log(events));
    }

    [Theory]
    [InlineData("curl -sSf")]
    [InlineData("wget -nv -O -")]
    public async Task A_client_fetches_a_file_and_follows_a_redirect(string client)
    {
        var (result, output, events) = await RunAsync(
            $"{client} $OSP_URL/debian/file; echo; {client.Replace("-sSf", "-sSfL", StringComparison.Ordinal)} $OSP_URL/debian/moved; echo", $"{_server.Url}/debian/");
        Assert.Equal(("", "the content\nthe content"), (result.Reason, output));
        Assert.Equal([$"mirror {_server.Url}/debian/: 3 requests, 22 bytes"], Log(events));
    }

    [Fact]
    public async Task Another_place_is_refused_and_the_log_tells_which()
    {
        var (result, output, events) = await RunAsync(
            "for u in $OSP_URL/secret $OSP_URL/debian/../secret http://other.example/; do curl -s -o /dev/null --path-as-is -w '%{http_code}\\n' $u; done\n" +
            "curl -sL -o /dev/null -w '%{http_code}\\n' $OSP_URL/debian/away\n" +
            "curl -s -p -o /dev/null -w '%{http_connect}\\n' http://$OSP_PLACE/debian/file || true",
            $"{_server.Url}/debian/");
        Assert.Equal(("", "403\n400\n403\n403\n403"), (result.Reason, output));
        Assert.Contains(Log(events), line => line.Contains($"{_server.Url}/secret is of no mirror", StringComparison.Ordinal));
        Assert.Contains(Log(events), static line => line == "mirror: 5 requests were not served");
        Assert.DoesNotContain(_server.Requests, static head => head.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_tunnel_leads_to_an_https_server_that_is_allowed()
    {
        // What is in the tunnel is the client's: here plain HTTP.
        var (result, output, events) = await RunAsync("curl -sSf -p http://$OSP_PLACE/debian/file", $"https://{ServerAddress}:{_server.Port}/");
        Assert.Equal(("", "the content"), (result.Reason, output));
        Assert.StartsWith($"mirror https://{ServerAddress}:{_server.Port}/: 1 requests, ", Assert.Single(Log(events)));
    }

    [Fact]
    public async Task Apt_reads_a_mirror()
    {
        var (result, output, events) = await RunAsync(
            """
            d=$TMPDIR; [ -n "$d" ] || d=$(mktemp -d)
            mkdir -p $d/lists/partial $d/cache/archives/partial $d/etc; : > $d/status
            echo "deb [trusted=yes] $OSP_URL/debian ./" > $d/etc/sources.list
            o="-o Dir::State::lists=$d/lists -o Dir::State::status=$d/status -o Dir::Cache=$d/cache -o Dir::Etc::sourcelist=$d/etc/sources.list
              -o Dir::Etc::sourceparts=- -o Dir::Etc::main=- -o Dir::Etc::parts=- -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::http::Timeout=20"
            apt-get $o -q update > $d/log 2>&1 || { cat $d/log; false; }
            apt-cache $o policy hello | grep -c "Candidate: 1.0"
            rm -rf $d
            """,
            $"{_server.Url}/debian/");
        Assert.Equal(("", "1"), (result.Reason, output));
        Assert.StartsWith($"mirror {_server.Url}/debian/: ", Assert.Single(Log(events)));
    }

    [Fact]
    public async Task The_proxy_ends_with_the_operation()
    {
        var (result, output, _) = await RunAsync("echo $http_proxy", $"{_server.Url}/debian/");
        Assert.Equal("", result.Reason);
        using var client = new HttpClient(new SocketsHttpHandler { Proxy = new WebProxy(output) });
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri($"{_server.Url}/debian/file")));
        Assert.Empty(_server.Requests);
    }
}
