using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Install.Mirror;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What a hostile appliance, or a hostile mirror, makes of the host's proxy: nothing.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class HostileMirrorTests
{
    [Theory]
    [InlineData("http://other.example/debian/f")]
    [InlineData("http://127.0.0.1:1/debian/f")]
    [InlineData("http://127.1:PORT/debian/f")]
    [InlineData("http://2130706433:PORT/debian/f")]
    [InlineData("http://[::ffff:127.0.0.1]:PORT/debian/f")]
    [InlineData("http://127.0.0.1.:PORT/debian/f")]
    [InlineData("http://127.0.0.1:PORT/")]
    [InlineData("http://127.0.0.1:PORT/debian")]
    [InlineData("http://127.0.0.1:PORT/debian-security/f")]
    [InlineData("http://127.0.0.1:PORT/Debian/f")]
    [InlineData("http://127.0.0.1:PORT//debian/f")]
    [InlineData("http://127.0.0.1:PORT/./debian/f")]
    [InlineData("http://127.0.0.1:PORT?/debian/f")]
    public async Task Another_place_is_forbidden(string url)
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("secret"));
        await using var rig = await MirrorRig.StartAsync($"{server.Url}/debian/");
        Assert.Equal("403", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get(url.Replace("PORT", $"{server.Port}", StringComparison.Ordinal)))));
        Assert.Empty(server.Requests);
        Assert.Contains(rig.Lines, static line => line.StartsWith("Warning: mirror: http://", StringComparison.Ordinal) && line.Contains("is of no mirror", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("127.0.0.1:PORT", "403")]
    [InlineData("169.254.169.254:80", "403")]
    [InlineData("localhost:22", "403")]
    [InlineData("127.0.0.1:99999", "400")]
    [InlineData("127.0.0.1", "400")]
    [InlineData("anna@127.0.0.1:PORT", "400")]
    public async Task A_tunnel_leads_to_no_server_that_is_not_allowed_by_https(string place, string status)
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("secret"));
        await using var rig = await MirrorRig.StartAsync(server.Url);
        Assert.Equal(status, MirrorRig.Status(await rig.AskAsync(MirrorRig.Connect(place.Replace("PORT", $"{server.Port}", StringComparison.Ordinal)))));
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("/debian/../secret")]
    [InlineData("/debian/%2e%2e/secret")]
    [InlineData("/debian/.%2E/secret")]
    [InlineData("/debian/%252e%252e/secret")]
    [InlineData("/debian/%25252e%25252e/secret")]
    [InlineData("/debian/..%2fsecret")]
    [InlineData("/debian/..%252fsecret")]
    [InlineData("/debian/a%2f..%2f..%2fsecret")]
    [InlineData("/debian/..%5csecret")]
    [InlineData("/debian/..\\secret")]
    [InlineData("/debian/..;/secret")]
    [InlineData("/debian/..;x=1/secret")]
    [InlineData("/debian/..")]
    [InlineData("/debian/%c0%ae%c0%ae/secret")]
    [InlineData("/debian/%00")]
    [InlineData("/debian/%0d%0aX:1")]
    [InlineData("/debian/%zz")]
    [InlineData("/debian/f#g")]
    [InlineData("/debian/\u00e4")]
    public async Task A_path_that_servers_read_differently_is_no_path(string path)
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("secret"));
        await using var rig = await MirrorRig.StartAsync($"{server.Url}/debian/");
        Assert.Equal("400", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get(server.Url + path))));
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nabc")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: other.example\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\n\r\n")]
    [InlineData("GET http://anna@HOST/f HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET http://HOST@other.example/f HTTP/1.1\r\nHost: other.example\r\n\r\n")]
    [InlineData("GET https://HOST/f HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET /f HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET HOST/f HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/a\rb HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/a\0b HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/a\tb HTTP/1.1\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nX : a\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\n folded: a\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nHost: HOST\r\nno colon\r\n\r\n")]
    [InlineData("GET URL/f\r\nHost: HOST\r\n\r\n")]
    [InlineData("GET URL/f HTTP/1.1\r\nX: a\nHost: other.example\r\nHost: HOST\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n")]
    public async Task A_head_that_two_programs_may_read_differently_is_a_bad_request(string head)
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("secret"));
        await using var rig = await MirrorRig.StartAsync(server.Url);
        var answer = await rig.AskAsync(head.Replace("URL", server.Url, StringComparison.Ordinal).Replace("HOST", $"127.0.0.1:{server.Port}", StringComparison.Ordinal));
        Assert.Equal("400", MirrorRig.Status(answer));
        Assert.Empty(server.Requests);
        await rig.EndAsync();
        Assert.Contains(rig.Lines, static line => line.StartsWith("Warning: mirror: 1 ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    [InlineData("TRACE")]
    [InlineData("get")]
    public async Task Another_method_is_not_allowed(string method)
    {
        using var server = new HeadServer(static _ => HeadServer.Ok("secret"));
        await using var rig = await MirrorRig.StartAsync(server.Url);
        Assert.Equal("405", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/f").Replace("GET", method, StringComparison.Ordinal))));
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("GET http://127.0.0.1/%A HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 9000, 1, "414")]
    [InlineData("GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %A\r\n\r\n", 17000, 1, "431")]
    [InlineData("GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%A\r\n", 1, 100, "431")]
    public async Task A_head_is_bounded(string head, int length, int times, string status)
    {
        await using var rig = await MirrorRig.StartAsync("http://127.0.0.1/");
        var filled = head.Replace("%A", string.Concat(Enumerable.Repeat(times == 1 ? new string('a', length) : "X: a\r\n", times)), StringComparison.Ordinal);
        Assert.Equal(status, MirrorRig.Status(await rig.AskAsync(filled)));
    }

    [Fact]
    public async Task A_head_that_does_not_end_is_given_up()
    {
        await using var rig = await MirrorRig.StartAsync(["http://127.0.0.1/"], times: new MirrorTimes { Head = TimeSpan.FromSeconds(2) });
        Assert.Equal("408", MirrorRig.Status(await rig.AskAsync("GET http://127.0.0.1/ HTTP/1.1\r\nHost")));
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up()
    {
        var open = new TaskCompletionSource();
        using var server = new HeadServer((_, _) => open.Task);
        await using var rig = await MirrorRig.StartAsync([server.Url], times: new MirrorTimes { Answer = TimeSpan.FromMilliseconds(200) });
        Assert.Equal("504", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/f"))));
        open.SetResult();
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    public async Task An_answer_that_is_cut_has_no_good_end(string answer)
    {
        using var server = new HeadServer(_ => answer);
        await using var rig = await MirrorRig.StartAsync(server.Url);
        await Assert.ThrowsAsync<IOException>(() => rig.AskAsync(MirrorRig.Get($"{server.Url}/f")));
        Assert.Contains(rig.Lines, static line => line.Contains("ended in the middle of its answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_drips_is_cut_when_the_operation_ends()
    {
        using var server = new HeadServer(static async (_, stream) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"u8.ToArray());
            while (true)
            {
                await stream.WriteAsync("a"u8.ToArray());
                await Task.Delay(20);
            }
        });
        await using var rig = await MirrorRig.StartAsync(server.Url);
        await using var connection = await rig.ConnectAsync();
        await connection.WriteAsync(Encoding.ASCII.GetBytes(MirrorRig.Get($"{server.Url}/f")));
        Assert.True(await connection.ReadAsync(new byte[1], MirrorRig.Soon) > 0);
        await rig.EndAsync().AsTask().Within();
        await Assert.ThrowsAsync<IOException>(() => MirrorRig.ReadAsync(connection));
    }

    [Fact]
    public async Task A_guest_that_takes_nothing_is_cut_and_keeps_no_other_from_its_answer()
    {
        var cut = new TaskCompletionSource();
        using var server = new HeadServer(async (head, stream) =>
        {
            try
            {
                // More than the buffers on the way hold.
                await stream.WriteAsync(Encoding.ASCII.GetBytes(HeadServer.Ok(new string('a', head.Contains("/small", StringComparison.Ordinal) ? 10 : 64 << 20))));
            }
            catch (IOException)
            {
                cut.SetResult();
            }
        });
        await using var rig = await MirrorRig.StartAsync([server.Url], times: new MirrorTimes { Idle = TimeSpan.FromSeconds(3) });
        await using var lazy = await rig.ConnectAsync();
        await lazy.WriteAsync(Encoding.ASCII.GetBytes(MirrorRig.Get($"{server.Url}/large")));
        Assert.EndsWith("aaaaaaaaaa", await rig.AskAsync(MirrorRig.Get($"{server.Url}/small")));
        await cut.Task.Within();
        await Assert.ThrowsAsync<IOException>(() => MirrorRig.ReadAsync(lazy));
    }

    [Fact]
    public async Task An_operation_fetches_no_more_than_it_may()
    {
        using var server = new HeadServer(static _ => HeadServer.Ok(new string('a', 60_000)));
        await using var rig = await MirrorRig.StartAsync([server.Url], maxBytes: 100_000);
        Assert.Equal("200", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/1"))));
        await Assert.ThrowsAsync<IOException>(() => rig.AskAsync(MirrorRig.Get($"{server.Url}/2")));
        Assert.Equal("403", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/3"))));
        Assert.Equal(2, server.Requests.Count);
        Assert.Contains(rig.Lines, static line => line.Contains("has fetched the 100000 bytes that it may", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_thousand_connections_are_served_some_at_a_time()
    {
        var (now, most) = (0, 0);
        var full = new TaskCompletionSource();
        using var server = new HeadServer(async (_, stream) =>
        {
            var count = Interlocked.Increment(ref now);
            InterlockedMax(ref most, count);
            if (count == MirrorProxy.MaxConnections)
            {
                full.TrySetResult();
            }

            // The first wait for each other, so that as many as there may be are under way at once.
            await full.Task;
            Interlocked.Decrement(ref now);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(HeadServer.Ok("a")));
        });
        await using var rig = await MirrorRig.StartAsync(server.Url);
        await Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 60, CancellationToken = MirrorRig.Soon }, async (i, _) =>
            Assert.Equal("200", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"{server.Url}/{i}")))));
        Assert.Equal(1000, server.Requests.Count);
        Assert.Equal(MirrorProxy.MaxConnections, most);
    }

    [Fact]
    public async Task Refusals_fill_no_log()
    {
        await using var rig = await MirrorRig.StartAsync("http://127.0.0.1/");
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal("403", MirrorRig.Status(await rig.AskAsync(MirrorRig.Get($"http://other.example/{i}"))));
        }

        await rig.EndAsync();
        Assert.Equal(22, rig.Lines.Count);
        Assert.EndsWith("only counted", rig.Lines.ElementAt(19));
        Assert.Contains("Warning: mirror: 100 requests were not served", rig.Lines);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, seen);
        }
    }
}
