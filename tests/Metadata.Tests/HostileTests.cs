using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Metadata.Http;

namespace ChannelSdk.Metadata.Tests;

/// <summary>Raw bytes of a guest that means harm.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class HostileTests
{
    private static readonly MetadataServerOptions s_impatient = new()
    {
        HeadersTimeout = TimeSpan.FromSeconds(1),
        IdleTimeout = TimeSpan.FromSeconds(1),
        SlowBodyGrace = TimeSpan.FromSeconds(1.5),
        RequestsPerSecond = 0,
    };

    private static string Request(string line, params string[] headers) =>
        $"{line} HTTP/1.1\r\nHost: 169.254.169.254\r\n{string.Concat(headers.Select(h => h + "\r\n"))}Connection: close\r\n\r\n";

    [Theory]
    [InlineData("GET /latest/../../etc/passwd", 404)]
    [InlineData("GET /latest/..", 200)]
    [InlineData("GET /../../../../etc/passwd", 404)]
    [InlineData("GET /latest/%2e%2e/%2e%2e/etc/passwd", 404)]
    [InlineData("GET /openstack/content/..%2f..%2fetc%2fpasswd", 404)]
    [InlineData("GET /ganeti/latest/os/scripts/..%252f..%252fetc", 404)]
    [InlineData("GET /latest%2fmeta-data", 404)]
    [InlineData("GET /latest\\meta-data", 404)]
    [InlineData("GET /%00", 400)]
    [InlineData("GET /%ff%fe%c3", 404)]
    [InlineData("GET /\u00ff\u00fe", 400)]
    [InlineData("GET /%zz", 404)]
    [InlineData("GET latest", 405)]
    [InlineData("GET *", 405)]
    [InlineData("OPTIONS *", 405)]
    [InlineData("CONNECT 127.0.0.1:22", 400)]
    [InlineData("GET http://169.254.169.254/latest/", 200)]
    [InlineData("GET http://127.0.0.1:22/latest/", 200)]
    [InlineData("GET http://other.example/1.0/meta-data/", 200)]
    [InlineData("TRACE /latest/", 405)]
    [InlineData("get /latest/", 405)]
    [InlineData("G\0T /latest/", 400)]
    [InlineData("\u0016\u0003\u0001\u0002", 400)]
    [InlineData("PRI *", 405)]
    public async Task A_strange_request_line_gets_its_status_and_never_500(string line, int status)
    {
        await using var rig = await ServerRig.StartAsync();
        var answer = await rig.RawAsync(Request(line));
        Assert.StartsWith($"HTTP/1.1 {status} ", answer);
        Assert.DoesNotContain("root:", answer);
        await AssertUnharmedAsync(rig);
    }

    [Theory]
    [InlineData(414, "GET /", 5000)]
    [InlineData(404, "GET /latest/", 600)]
    public async Task A_long_path_is_refused(int status, string line, int length)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.StartsWith($"HTTP/1.1 {status} ", await rig.RawAsync(Request(line + new string('a', length))));
        Assert.StartsWith("HTTP/1.1 404 ", await rig.RawAsync(Request("GET " + string.Concat(Enumerable.Repeat("/a", 300)))));
    }

    [Fact]
    public async Task Too_many_too_long_and_broken_headers_are_refused()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.StartsWith("HTTP/1.1 431 ", await rig.RawAsync(Request("GET /latest/", "X: " + new string('a', 9000))));
        Assert.StartsWith("HTTP/1.1 431 ", await rig.RawAsync(Request("GET /latest/", [.. Enumerable.Range(0, 60).Select(i => $"X{i}: a")])));
        Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync(Request("GET /latest/", "no colon here")));
        Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync("GET /latest/ HTTP/1.1\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync("GET /latest/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 505 ", await rig.RawAsync("GET /latest/ HTTP/3.7\r\nHost: a\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync(Request("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60", "X-aws-ec2-metadata-token-ttl-seconds: 60")));
        Assert.StartsWith("HTTP/1.1 401 ", await rig.RawAsync(Request("GET /latest/", "X-aws-ec2-metadata-token: a", "X-aws-ec2-metadata-token: b")));
        await AssertUnharmedAsync(rig);
    }

    [Theory]
    [InlineData("/ganeti/latest/write", 413)]
    [InlineData("/ganeti/latest/progress", 413)]
    [InlineData("/ganeti/latest/phone_home", 413)]
    [InlineData("/latest/user-data", 405)]
    [InlineData("/nope", 404)]
    public async Task A_huge_body_is_refused_before_it_is_read(string path, int status)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.StartsWith($"HTTP/1.1 {status} ", await rig.RawAsync(Request($"POST {path}", "Content-Length: 99999999999")));
        var chunks = new StringBuilder(Request($"POST {path}", "Transfer-Encoding: chunked"));
        for (var i = 0; i < 20; i++)
        {
            chunks.Append("4000\r\n").Append('x', 0x4000).Append("\r\n");
        }

        Assert.StartsWith($"HTTP/1.1 {status} ", await rig.RawAsync(chunks + "0\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync(Request($"POST {path}", "Content-Length: -1")));
        if (status == 413)
        {
            Assert.StartsWith("HTTP/1.1 400 ", await rig.RawAsync(Request($"POST {path}", "Transfer-Encoding: chunked") + "zz\r\nx"));
        }

        await AssertUnharmedAsync(rig);
    }

    [Theory]
    [InlineData("80000000")]
    [InlineData("FFFFFFFF")]
    [InlineData("7FFFFFFFFFFFFFFF")]
    [InlineData("1FFFFFFFFFFFFFFFFF")]
    public async Task A_chunk_larger_than_anything_is_the_guests_mistake(string size)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Matches("^HTTP/1.1 4(00|13) ", await rig.RawAsync(Request("POST /ganeti/latest/write", "Transfer-Encoding: chunked") + size + "\r\nx"));
        await AssertUnharmedAsync(rig);
    }

    [Theory]
    [InlineData("gzip, chunked")]
    [InlineData("identity, chunked")]
    public async Task A_transfer_coding_that_is_not_known_is_501(string coding)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.StartsWith("HTTP/1.1 501 ", await rig.RawAsync(Request("POST /ganeti/latest/write", $"Transfer-Encoding: {coding}") + "1\r\nx\r\n0\r\n\r\n"));
        await AssertUnharmedAsync(rig);
    }

    [Fact]
    public async Task A_path_that_is_longer_in_its_canonical_form_is_still_one()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.StartsWith("HTTP/1.1 404 ", await rig.RawAsync(Request("GET /1.0/" + new string('a', 507))));
        await AssertUnharmedAsync(rig);
    }

    [Fact]
    public async Task A_connection_that_says_nothing_ends()
    {
        await using var rig = await ServerRig.StartAsync(options: s_impatient);
        Assert.Equal("", await rig.RawAsync(""));
        Assert.StartsWith("HTTP/1.1 200 ", await rig.RawAsync("GET /latest/ HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_order_until_the_first_garbage()
    {
        await using var rig = await ServerRig.StartAsync();
        const string get = "GET /latest/meta-data/local-hostname HTTP/1.1\r\nHost: a\r\n\r\n";
        var answer = await rig.RawAsync(get + get + get + "\u0001\u0002 garbage\r\n\r\n" + get);
        Assert.Equal(3, answer.Split("vm1.example.org").Length - 1);
        Assert.Equal(1, answer.Split("HTTP/1.1 400 ").Length - 1);
        await AssertUnharmedAsync(rig);
    }

    [Fact]
    public async Task A_slow_loris_is_cut_and_delays_no_other_client()
    {
        await using var rig = await ServerRig.StartAsync(options: s_impatient);
        var slow = Enumerable.Range(0, 20).Select(async _ =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(rig.Loopback);
            await socket.SendAsync("GET /latest/ HTTP/1.1\r\nX: "u8.ToArray());
            return await ReadToEndAsync(socket);
        }).ToArray();
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname"));
        foreach (var answer in await Task.WhenAll(slow))
        {
            Assert.StartsWith("HTTP/1.1 408 ", answer);
        }
    }

    [Fact]
    public async Task A_body_that_drips_is_cut()
    {
        await using var rig = await ServerRig.StartAsync(options: s_impatient);
        var answer = await rig.RawAsync("POST /ganeti/latest/write HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx");
        Assert.StartsWith("HTTP/1.1 408 ", answer);
        Assert.Equal(0, rig.Vm1.Counters.Failures);
    }

    [Fact]
    public async Task A_client_that_never_reads_loses_its_connection_and_delays_no_other_client()
    {
        await using var rig = await ServerRig.StartAsync(options: s_impatient);
        rig.Store.Merge("vm1", Encoding.UTF8.GetBytes($"user_data: {new string('x', 500_000)}\n"));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(rig.Loopback);
        var request = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET /latest/user-data HTTP/1.1\r\nHost: a\r\n\r\n", 50)));
        await socket.SendAsync(request);
        await UntilAsync(() => rig.Vm1.ConnectionCount == 1);
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname"));
        rig.Http.Dispose();
        await UntilAsync(() => rig.Vm1.ConnectionCount == 0);
    }

    [Fact]
    public async Task More_connections_than_allowed_wait_and_are_served_when_others_end()
    {
        await using var rig = await ServerRig.StartAsync(options: new MetadataServerOptions { ConnectionsPerInstance = 4 });
        var held = new List<Socket>();
        for (var i = 0; i < 40; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(rig.Loopback);
            held.Add(socket);
        }

        await UntilAsync(() => rig.Vm1.ConnectionCount == 4);
        await using var other = rig.Server.AttachInstance("vm2");
        rig.Store.Put("vm2", Samples.Parse(Samples.Small));
        other.ListenUnix(rig["vm2.sock"]);
        using var http = ServerRig.ClientOf(rig["vm2.sock"]);
        Assert.Equal("i-1", await http.GetStringAsync(new Uri("http://169.254.169.254/latest/meta-data/instance-id")));
        Assert.True(rig.Vm1.ConnectionCount <= 4);
        held.ForEach(s => s.Dispose());
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname"));
    }

    [Fact]
    public async Task A_waiting_request_whose_client_goes_away_gives_its_connection_back()
    {
        await using var rig = await ServerRig.StartAsync();
        using (var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(rig.Loopback);
            await socket.SendAsync("GET /latest/?wait_for_change=true HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
            await UntilAsync(() => rig.Vm1.Counters.Requests == 1);
        }

        await UntilAsync(() => rig.Vm1.ConnectionCount == 0);
        Assert.Equal(0, rig.Vm1.Counters.Failures);
    }

    [Fact]
    public async Task Random_bytes_end_in_nothing_worse_than_400()
    {
        await using var rig = await ServerRig.StartAsync(options: s_impatient);
        var random = new Random(7);
        var template = Encoding.ASCII.GetBytes(Request("POST /ganeti/latest/write", "Content-Length: 3") + "abc");
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i =>
        {
            var bytes = i % 2 == 0 ? template.ToArray() : new byte[random.Next(1, 400)];
            if (i % 2 == 0)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }
            else
            {
                random.NextBytes(bytes);
            }

            return rig.RawAsync(bytes, endsSending: true);
        }).Select(async answer => Assert.DoesNotContain("HTTP/1.1 5", (await answer).Replace("HTTP/1.1 505", "", StringComparison.Ordinal))));
        Assert.Equal(0, rig.Vm1.Counters.Failures);
        await AssertUnharmedAsync(rig);
    }

    private static async Task AssertUnharmedAsync(ServerRig rig)
    {
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname"));
        Assert.Equal(0, rig.Vm1.Counters.Failures);
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var buffer = new byte[4096];
        var text = "";
        while (await socket.ReceiveAsync(buffer) is > 0 and var length)
        {
            text += Encoding.ASCII.GetString(buffer, 0, length);
        }

        return text;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < ServerRig.Soon, "it did not come to pass");
            await Task.Delay(5);
        }
    }
}
