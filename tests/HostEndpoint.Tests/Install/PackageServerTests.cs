using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Servers of personalization packages that redirect the host elsewhere.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class PackageServerTests : IDisposable
{
    private const string Authorization = "Authorization: Basic YW5uYTpQQVNTV09SRA==";
    private readonly InstallRig _rig = new(_ => Task.FromResult(InstallRig.Well));

    public void Dispose() => _rig.Dispose();

    private static string Redirect(string to, int status = 302) => $"HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n";

    private async Task<InstallResult> RunAsync(string url)
    {
        _rig.Records.Change("vm1", r => r with { PersonalizationUrl = url });
        return (await _rig.RunAsync(r => r with { PackageCredentials = new PackageCredentials("anna", SecretValue.CopyOf("PASSWORD"u8)) })).Result;
    }

    [Fact]
    public async Task Credentials_stay_with_their_server_when_a_redirect_leads_to_another()
    {
        using var other = new HeadServer(_ => HeadServer.Ok("from the other"));
        using var first = new HeadServer(_ => Redirect($"{other.Url}/p.tar.gz?x=channelsdk-credentials&Authorization:%20channelsdk-credentials"));
        Assert.Equal("", (await RunAsync($"{first.Url}/p.tar.gz")).Reason);
        Assert.Equal("from the other", Encoding.ASCII.GetString(_rig.Appliance!.Overlay));
        Assert.Equal((2, 2), (first.Requests.Count, other.Requests.Count));
        Assert.All(first.Requests, request => Assert.Contains(Authorization, request));
        Assert.All(other.Requests, request => Assert.DoesNotContain("YW5uYTpQQVNTV09SRA", request));
        Assert.All(other.Requests, request => Assert.DoesNotContain("\r\nAuthorization", request));
    }

    [Theory]
    [InlineData(301)]
    [InlineData(307)]
    public async Task Credentials_go_along_within_their_server_and_only_in_their_line(int status)
    {
        using var server = new HeadServer(request => request.Contains(" /p.tgz ", StringComparison.Ordinal) ? Redirect("/q.tgz?x=channelsdk-credentials", status) : HeadServer.Ok("second"));
        Assert.Equal("", (await RunAsync($"{server.Url}/p.tgz")).Reason);
        Assert.Equal(4, server.Requests.Count);
        Assert.All(server.Requests, request => Assert.Single(request.Split("\r\n"), line => line == Authorization));
        Assert.Contains("GET /q.tgz?x=channelsdk-credentials ", server.Requests.Last());
    }

    [Fact]
    public async Task A_redirect_to_an_inner_address_is_not_followed()
    {
        using var inner = new HeadServer(_ => HeadServer.Ok("CONTENT OF AN INTERNAL SERVICE"), "127.0.0.2");
        using var first = new HeadServer(_ => Redirect($"{inner.Url}/p.tgz"));
        var result = await RunAsync($"{first.Url}/p.tgz");
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("is at 127.0.0.2, an inner address", result.Reason);
        Assert.Empty(inner.Requests);
        Assert.Empty(_rig.Appliance!.Overlay);
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("2130706433")]
    public async Task A_url_with_an_inner_address_is_refused_unless_the_administrator_allows_its_network(string host)
    {
        using var server = new HeadServer(_ => HeadServer.Ok("x"));
        _rig.Networks = [];
        var result = await RunAsync($"http://{host}:{new Uri(server.Url).Port}/p.tgz");
        Assert.Contains("an inner address", result.Reason);
        Assert.Contains("--package-network", result.Reason);
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("file:///etc/p.tgz")]
    [InlineData("ftp://127.0.0.1/p.tgz")]
    [InlineData("http://anna:PASSWORD@127.0.0.1/p.tgz")]
    [InlineData("/p.zip")]
    [InlineData("http://[/p.tgz")]
    public async Task A_redirect_obeys_the_rules_of_a_url(string to)
    {
        using var server = new HeadServer(_ => Redirect(to));
        var result = await RunAsync($"{server.Url}/p.tgz");
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Equal(["HEAD", "GET"], server.Requests.Select(request => request.Split(' ')[0]));
        Assert.DoesNotContain("PASSWORD", result.Reason);
        Assert.Empty(_rig.Appliance!.Overlay);
    }

    [Theory]
    [InlineData("https://a.example/p.tgz", "http://a.example/p.tgz", false)]
    [InlineData("https://a.example/p.tgz", "file:///etc/p.tgz", false)]
    [InlineData("http://a.example/p.tgz", "file:///etc/p.tgz", false)]
    [InlineData("http://a.example/p.tgz", "https://b.example/q.tgz", true)]
    [InlineData("https://a.example/p.tgz", "/q.tgz", true)]
    public void A_redirect_leads_neither_to_a_file_nor_to_a_server_without_TLS(string from, string to, bool isAllowed)
    {
        var url = PackageUrl.Parse(from);
        var error = Record.Exception(() => url.Redirect(new Uri(to, UriKind.RelativeOrAbsolute)));
        Assert.Equal(isAllowed, error is null);
        Assert.True(error is null or ChannelException { Code: ChannelError.TransportFailed });
    }

    [Fact]
    public async Task Redirects_are_counted()
    {
        using var server = new HeadServer(_ => Redirect("/again.tgz"));
        Assert.Contains("redirects more than 5 times", (await RunAsync($"{server.Url}/p.tgz")).Reason);
        Assert.Equal(6, server.Requests.Count(request => request.StartsWith("GET", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2a00:1450:4001::1", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.255.0.1", false)]
    [InlineData("100.100.100.200", false)]
    [InlineData("127.9.9.9", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.31.0.1", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("224.0.0.251", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::a9fe:a9fe", false)]
    [InlineData("64:ff9b::808:808", true)]
    [InlineData("2002:7f00:1::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00:ec2::254", false)]
    [InlineData("ff02::1", false)]
    [InlineData("10.7.0.1", true)]
    [InlineData("::ffff:10.7.0.1", true)]
    public void An_address_is_public_or_allowed(string address, bool isAllowed) =>
        Assert.Equal(isAllowed, new ServerAddresses([IPNetwork.Parse("10.7.0.0/16")], "a test", "none").IsAllowed(IPAddress.Parse(address)));

    [Theory]
    [InlineData("404 Not Found", "answered 404 (NotFound)")]
    [InlineData("401 Unauthorized", "answered 401 (Unauthorized)")]
    public async Task A_package_that_a_server_does_not_give_is_told_before_anything_begins(string status, string said)
    {
        using var server = new HeadServer(_ => $"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        _rig.Write("os/verify", $"#!/bin/sh\ntouch {_rig.At("verified")}\n");
        var result = await RunAsync($"{server.Url}/p.tgz");
        Assert.Contains(said, result.Reason);
        Assert.Equal(0, _rig.Appliance!.Launches);
        Assert.False(File.Exists(_rig.At("verified")));
        Assert.Equal([InstallPhase.Preparing, InstallPhase.CleaningUp], result.Times.Select(time => time.Key));
    }

    [Theory]
    [InlineData("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("")]
    public async Task A_server_that_knows_no_HEAD_is_asked_as_it_is_for_the_package(string answer)
    {
        using var server = new HeadServer(request => request.StartsWith("HEAD", StringComparison.Ordinal) ? answer : HeadServer.Ok("content"));
        Assert.Equal("", (await RunAsync($"{server.Url}/p.tgz")).Reason);
        // A HEAD that is not answered at all may be repeated.
        Assert.Equal(["GET", "GET"], server.Requests.Select(request => request.Split(' ')[0]).SkipWhile(method => method == "HEAD"));
        Assert.All(server.Requests, request => Assert.Contains(Authorization, request));
        Assert.Equal("content", Encoding.ASCII.GetString(_rig.Appliance!.Overlay));
    }

    [Fact]
    public async Task A_server_that_is_silent_is_not_waited_for()
    {
        var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var url = PackageUrl.Parse($"http://{silent.LocalEndpoint}/p.tgz");
        var error = await Assert.ThrowsAsync<ChannelException>(() =>
            PackageSource.RequireAsync(url, null, new ServerAddresses([IPNetwork.Parse("127.0.0.1/32")], "a test", "none"), TimeSpan.FromMilliseconds(100), InstallRig.Soon));
        Assert.Contains($"nothing answered for the personalization package {url} within 0.1 s", error.Message);
        silent.Stop();
    }

    [Fact]
    public async Task A_pipe_in_the_place_of_a_package_does_not_block()
    {
        var pipe = _rig.At("p.tgz");
        using (var made = System.Diagnostics.Process.Start("mkfifo", pipe))
        {
            await made.WaitForExitAsync();
        }

        _rig.Deadline = TimeSpan.FromSeconds(20);
        var result = await RunAsync($"file://{pipe}");
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("no regular file", result.Reason);
    }
}
