using System.Net;
using System.Text;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What an appliance gets by the host's proxy.</summary>
public class MirrorTests
{
    [Fact]
    public async Task A_file_of_an_origin_is_fetched_and_counted()
    {
        using var server = new HeadServer(static _ => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: \"1\"\r\nSet-Cookie: a=b\r\n\r\ncontent");
        await using var rig = await MirrorRig.StartAsync($"{server.Url}/debian");
        var answer = await rig.AskAsync(MirrorRig.Get($"{server.Url}/debian/pool/a%2Bb_1.deb?x=1", "Range: bytes=0-\r\nProxy-Authorization: Basic eA==\r\nCookie: c=d\r\nX-Other: 1\r\n"));
        Assert.Equal("200", MirrorRig.Status(answer));
        Assert.EndsWith("\r\n\r\ncontent", answer);
        Assert.Contains("ETag: \"1\"\r\n", answer);
        Assert.Contains("Connection: close\r\n", answer);
        Assert.DoesNotContain("Cookie", answer);
        var request = Assert.Single(server.Requests);
        Assert.StartsWith("GET /debian/pool/a%2Bb_1.deb?x=1 HTTP/1.1\r\n", request);
        Assert.Equal(["Connection: close", $"Host: 127.0.0.1:{server.Port}", "Range: bytes=0-"], request.Split("\r\n", StringSplitOptions.RemoveEmptyEntries)[1..].Order());
        await rig.EndAsync();
        Assert.Equal([$"Info: mirror {server.Url}/debian/: 1 requests, 7 bytes"], rig.Lines);
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "404")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", "304")]
    [InlineData("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/3\r\nContent-Length: 2\r\n\r\nno", "206")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nto the end", "200")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200")]
    [InlineData("HTTP/1.1 200 OK\r\nETag: \"\u00e4\"\r\nContent-Length: 0\r\n\r\n", "200")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "502")]
    [InlineData("HTTP/1.1 999 Odd\r\n\r\n", "502")]
    [InlineData("no HTTP at all\r\n\r\n", "502")]
    [InlineData("", "502")]
    public async Task What_the_server_answers_is_passed_on_unless_it_is_no_answer(string answer, string status)
    {
        using var server = new HeadServer(_ => answer);
        await using var rig = await MirrorRig.StartAsync(server.Url);
        Assert.Equal(status, MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/f"))));
    }

    [Fact]
    public async Task A_head_is_asked_for_without_its_content()
    {
        using var server = new HeadServer(static _ => "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
        await using var rig = await MirrorRig.StartAsync(server.Url);
        var answer = await rig.AskAsync(MirrorRig.Get($"{server.Url}/f").Replace("GET", "HEAD", StringComparison.Ordinal));
        Assert.Contains("Content-Length: 12345\r\n", answer);
        Assert.EndsWith("\r\n\r\n", answer);
    }

    [Fact]
    public async Task A_redirect_is_the_clients_and_is_checked_when_it_follows()
    {
        using var inner = new HeadServer(static _ => HeadServer.Ok("CONTENT OF AN INTERNAL SERVICE"), "127.0.0.2");
        using var server = new HeadServer(_ => $"HTTP/1.1 302 Found\r\nLocation: {inner.Url}/f\r\nContent-Length: 0\r\n\r\n");
        await using var rig = await MirrorRig.StartAsync(server.Url);
        var answer = await rig.AskAsync(MirrorRig.Get($"{server.Url}/f"));
        Assert.Equal("302", MirrorRig.Status(answer));
        Assert.Contains($"Location: {inner.Url}/f\r\n", answer);
        Assert.Equal("403", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{inner.Url}/f"))));
        Assert.Empty(inner.Requests);
    }

    [Fact]
    public async Task A_connection_has_one_request()
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("once"));
        await using var rig = await MirrorRig.StartAsync($"{server.Url}/a/");
        var answer = await rig.AskAsync(MirrorRig.Get($"{server.Url}/a/1") + MirrorRig.Get($"{server.Url}/b/2"));
        Assert.EndsWith("once", answer);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_tunnel_carries_bytes_both_ways_and_each_direction_to_its_own_end()
    {
        using var server = new HeadServer(static async (head, stream) =>
        {
            var rest = await MirrorRig.ReadAsync(stream);
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{head}{rest}"));
        });
        await using var rig = await MirrorRig.StartAsync(server.Url.Replace("http:", "https:", StringComparison.Ordinal));
        await using var connection = await rig.ConnectAsync();
        await connection.WriteAsync(Encoding.ASCII.GetBytes(MirrorRig.Connect($"127.0.0.1:{server.Port}") + "hello\r\n\r\nfor "));
        await connection.WriteAsync("you"u8.ToArray());
        await connection.CompleteWritesAsync(MirrorRig.Soon);
        Assert.Equal("HTTP/1.1 200 Connection established\r\n\r\nhello\r\n\r\nfor you", await MirrorRig.ReadAsync(connection));
        await rig.EndAsync();
        Assert.Equal([$"Info: mirror https://127.0.0.1:{server.Port}/: 1 requests, {2 * "hello\r\n\r\nfor you".Length} bytes"], rig.Lines);
    }

    [Fact]
    public async Task A_tunnel_that_nobody_uses_ends()
    {
        var open = new TaskCompletionSource();
        using var server = new HeadServer((_, _) => open.Task);
        await using var rig = await MirrorRig.StartAsync([server.Url.Replace("http:", "https:", StringComparison.Ordinal)], times: new MirrorTimes { Idle = TimeSpan.FromMilliseconds(200) });
        await Assert.ThrowsAsync<IOException>(() => rig.AskAsync(MirrorRig.Connect($"127.0.0.1:{server.Port}")));
        open.SetResult();
    }

    [Fact]
    public async Task A_name_is_looked_up_for_each_connection_and_leads_to_no_inner_address()
    {
        using var inner = new HeadServer(static _ => HeadServer.Ok("CONTENT OF AN INTERNAL SERVICE"), "127.0.0.2");
        using var server = new HeadServer(static _ => HeadServer.Ok("public"), port: inner.Port);
        var lookUps = 0;
        await using var rig = await MirrorRig.StartAsync([$"http://mirror.example:{inner.Port}/", $"https://mirror.example:{inner.Port}/"],
            lookUp: (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse(Interlocked.Increment(ref lookUps) == 1 ? "127.0.0.1" : "127.0.0.2")]));
        Assert.EndsWith("public", await rig.AskAsync(MirrorRig.Get($"http://mirror.example:{inner.Port}/f")));
        Assert.Equal("403", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"http://mirror.example:{inner.Port}/f"))));
        var refusal = await rig.AskAsync(MirrorRig.Connect($"mirror.example:{inner.Port}"));
        Assert.Equal("403", MirrorRig.Status(refusal));
        Assert.DoesNotContain("127.0.0.2", refusal);
        Assert.Equal(3, lookUps);
        Assert.Empty(inner.Requests);
        Assert.Contains(rig.Lines, static line => line.Contains("is at 127.0.0.2, an inner address", StringComparison.Ordinal) && line.Contains("--mirror-network", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_a_bad_gateway()
    {
        int port;
        using (var server = new HeadServer(static _ => ""))
        {
            port = server.Port;
        }

        await using var rig = await MirrorRig.StartAsync([$"http://127.0.0.1:{port}/", $"https://127.0.0.1:{port}/", "http://none.example/"], lookUp: static (name, _) =>
            Task.FromResult<IPAddress[]>(name == "none.example" ? [] : [IPAddress.Loopback]));
        Assert.Equal("502", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"http://127.0.0.1:{port}/f"))));
        Assert.Equal("502", MirrorRig.Status(await rig.AskAsync(MirrorRig.Connect($"127.0.0.1:{port}"))));
        Assert.Equal("502", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get("http://none.example/f"))));
    }

    [Theory]
    [InlineData("ftp://deb.debian.org/", "begins with http:// or https://")]
    [InlineData("https://deb.debian.org/debian/", "its path cannot be checked")]
    [InlineData("http://anna:PASSWORD@deb.debian.org/", "leave user, password")]
    [InlineData("http://deb.debian.org/?a", "leave user, password")]
    [InlineData("http://deb.debian.org/a%2fb", "take for a slash")]
    public void A_mirror_that_cannot_be_checked_is_refused(string url, string why)
    {
        var error = Assert.Throws<ChannelException>(() => MirrorOrigin.Parse(new Uri(url)));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains(why, error.Message);
        Assert.DoesNotContain("PASSWORD", error.Message);
    }
}
