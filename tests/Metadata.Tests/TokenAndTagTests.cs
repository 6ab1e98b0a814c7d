using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using ChannelSdk.Metadata.Http;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.Metadata.Tests;

/// <summary>IMDSv2 tokens, entity tags, waiting for change, rates.</summary>
public class TokenAndTagTests
{
    private const string Token = "X-aws-ec2-metadata-token";
    private const string Lifetime = "X-aws-ec2-metadata-token-ttl-seconds";
    private const string TokenPath = "/latest/api/token";

    [Theory]
    [InlineData("0", 400)]
    [InlineData("21601", 400)]
    [InlineData("-1", 400)]
    [InlineData("ten", 400)]
    [InlineData("", 400)]
    [InlineData("1", 200)]
    [InlineData("21600", 200)]
    public async Task A_token_has_a_lifetime_of_one_second_to_six_hours(string lifetime, int status)
    {
        await using var rig = await ServerRig.StartAsync();
        using var answer = await rig.SendAsync(HttpMethod.Put, TokenPath, null, (Lifetime, lifetime));
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(status == 200, answer.Headers.TryGetValues(Lifetime, out var told) && told.Single() == lifetime);
    }

    [Fact]
    public async Task The_token_path_takes_what_real_clients_send()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Contains("200 OK", await rig.RawAsync($"PUT {TokenPath} HTTP/1.1\r\nHost: 169.254.169.254\r\nx-AWS-ec2-Metadata-Token-TTL-seconds: 900\r\nConnection: close\r\n\r\n"));
        Assert.Contains("200 OK", await rig.RawAsync($"PUT {TokenPath} HTTP/1.1\r\nHost: a\r\n{Lifetime}: 100\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        Assert.Contains("200 OK", await rig.RawAsync($"PUT /latest//api/token/ HTTP/1.1\r\nHost:\r\n{Lifetime}: 60\r\nConnection: close\r\n\r\n"));
        using var get = await rig.SendAsync(HttpMethod.Get, TokenPath);
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "PUT"), (get.StatusCode, string.Join(' ', get.Content.Headers.Allow)));
        Assert.Equal(HttpStatusCode.Forbidden, (await rig.SendAsync(HttpMethod.Put, "/2021-03-23/api/token", null, (Lifetime, "60"))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await rig.SendAsync(HttpMethod.Put, TokenPath, null, (Lifetime, "60"), ("X-Forwarded-For", "203.0.113.1"))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await rig.SendAsync(HttpMethod.Put, TokenPath, null, (Lifetime, "60"), ("Forwarded", "for=203.0.113.1"))).StatusCode);
    }

    [Fact]
    public async Task A_guessed_or_foreign_or_changed_token_is_401_and_counted()
    {
        await using var rig = await ServerRig.StartAsync();
        var token = await rig.TokenAsync();
        var other = rig.Server.AttachInstance("vm2");
        rig.Store.Put("vm2", Samples.Parse(Samples.Small));
        other.ListenUnix(rig["vm2.sock"]);
        using var foreign = ServerRig.ClientOf(rig["vm2.sock"]);
        foreign.DefaultRequestHeaders.Add(Token, token);
        Assert.Equal(HttpStatusCode.Unauthorized, (await foreign.GetAsync(new Uri("http://169.254.169.254/latest/meta-data/"))).StatusCode);
        var flipped = (token[0] == 'A' ? 'B' : 'A') + token[1..];
        foreach (var bad in new[] { "", "x", flipped, token + "A", token[..^1], new string('A', token.Length), new string('A', 4000), Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)) })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await rig.SendAsync(HttpMethod.Get, "/latest/meta-data/", null, (Token, bad))).StatusCode);
        }

        Assert.Equal(8, rig.Vm1.Counters.BadTokens);
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/latest/meta-data/", null, (Token, token))).StatusCode);
    }

    [Fact]
    public async Task A_token_ends_with_its_lifetime()
    {
        var time = new FakeTimeProvider();
        await using var rig = await ServerRig.StartAsync(options: new MetadataServerOptions { Time = time });
        var token = await rig.TokenAsync();
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/latest/", null, (Token, token))).StatusCode);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(HttpStatusCode.Unauthorized, (await rig.SendAsync(HttpMethod.Get, "/latest/", null, (Token, token))).StatusCode);
    }

    [Fact]
    public void A_step_of_the_wall_clock_neither_ends_a_token_nor_lengthens_it()
    {
        var time = new SteppedTime();
        var tokens = new Http.SessionTokens(time);
        var token = tokens.Issue(60);
        time.Wall = TimeSpan.FromDays(1);
        Assert.True(tokens.IsValid(token));
        (time.Wall, time.Running) = (TimeSpan.FromDays(-1), TimeSpan.FromSeconds(61));
        Assert.False(tokens.IsValid(token));
    }

    private sealed class SteppedTime : TimeProvider
    {
        public TimeSpan Wall { get; set; }

        public TimeSpan Running { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Running.Ticks;

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) + Wall;
    }

    [Fact]
    public async Task A_token_comes_no_further_than_the_guest_and_other_answers_as_far_as_they_can()
    {
        await using var rig = await ServerRig.StartAsync();
        using var wire = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Tcp);
        wire.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(rig.Loopback);
        var buffer = new byte[65536];
        async Task<int> HopsAsync(string request, string mark)
        {
            await client.SendAsync(System.Text.Encoding.ASCII.GetBytes(request + "\r\n"));
            using var soon = new CancellationTokenSource(ServerRig.Soon);
            while (true)
            {
                var length = await wire.ReceiveAsync(buffer, soon.Token);
                // The source port is the server's, behind an IP header of variable length.
                var at = (buffer[0] & 15) * 4;
                if ((buffer[at] << 8 | buffer[at + 1]) == rig.Loopback.Port && System.Text.Encoding.ASCII.GetString(buffer, 0, length).Contains(mark, StringComparison.OrdinalIgnoreCase))
                {
                    return buffer[8];
                }
            }
        }

        Assert.Equal(1, await HopsAsync($"PUT {TokenPath} HTTP/1.1\r\nHost: a\r\n{Lifetime}: 60\r\n", Lifetime));
        Assert.InRange(await HopsAsync("GET /latest/meta-data/hostname HTTP/1.1\r\nHost: a\r\n", "vm1.example.org"), 2, 255);
        Assert.Equal(1, await HopsAsync($"PUT {TokenPath} HTTP/1.1\r\nHost: a\r\n{Lifetime}: 60\r\n", Lifetime));
    }

    [Fact]
    public async Task Required_tokens_are_required_of_the_EC2_face_only()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small + "ec2: {tokens: required}\n");
        Assert.Equal(HttpStatusCode.Unauthorized, (await rig.SendAsync(HttpMethod.Get, "/2009-04-04/meta-data/")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/openstack/latest/meta_data.json")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/2009-04-04/meta-data/", null, (Token, await rig.TokenAsync()))).StatusCode);
        Assert.Equal(2, rig.Vm1.Counters.WithoutToken);
    }

    [Theory]
    [InlineData("/latest/meta-data/")]
    [InlineData("/latest/user-data")]
    [InlineData("/openstack/latest/meta_data.json")]
    [InlineData("/nocloud/meta-data")]
    [InlineData("/ganeti/latest/os/parameters.json")]
    public async Task Every_resource_has_a_tag_a_head_and_its_methods(string path)
    {
        await using var rig = await ServerRig.StartAsync();
        using var first = await rig.SendAsync(HttpMethod.Get, path);
        var tag = first.Headers.ETag!.ToString();
        foreach (var known in new[] { tag, $"W/{tag}", $"\"x\", {tag}", "*" })
        {
            using var same = await rig.SendAsync(HttpMethod.Get, path, null, ("If-None-Match", known));
            Assert.Equal((HttpStatusCode.NotModified, tag), (same.StatusCode, same.Headers.ETag!.ToString()));
        }

        using var head = await rig.SendAsync(HttpMethod.Head, path);
        Assert.Equal((HttpStatusCode.OK, first.Content.Headers.ContentLength, tag), (head.StatusCode, head.Content.Headers.ContentLength, head.Headers.ETag!.ToString()));
        foreach (var method in new[] { HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options, new HttpMethod("BREW") })
        {
            using var wrong = await rig.SendAsync(method, path);
            Assert.Equal((HttpStatusCode.MethodNotAllowed, "GET HEAD"), (wrong.StatusCode, string.Join(' ', wrong.Content.Headers.Allow)));
        }
    }

    [Fact]
    public async Task A_waiting_request_answers_at_the_change_of_its_own_resource_only()
    {
        await using var rig = await ServerRig.StartAsync();
        const string path = "/latest/meta-data/local-hostname";
        using var now = await rig.SendAsync(HttpMethod.Get, path);
        var tag = now.Headers.ETag!.Tag.Trim('"');
        var waiting = rig.GetAsync($"{path}?wait_for_change=true&last_etag={tag}&timeout_sec=60");
        rig.Store.Merge("vm1", "meta: {role: db}\n"u8);
        Assert.Equal("{\"role\":\"db\"}", System.Text.Json.JsonDocument.Parse(await rig.GetAsync("/openstack/latest/meta_data.json")).RootElement.GetProperty("meta").GetRawText());
        Assert.False(waiting.IsCompleted);
        rig.Store.Merge("vm1", "hostname: new-name\n"u8);
        Assert.Equal("new-name", await waiting);
        Assert.Equal("new-name", await rig.GetAsync($"{path}?wait_for_change=true&last_etag={tag}"));
        Assert.Equal("new-name", await rig.GetAsync($"{path}?last_etag=0&wait_for_change=false"));
    }

    [Fact]
    public async Task A_wait_ends_with_its_time_and_with_the_resource()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname?wait_for_change=true&timeout_sec=0"));
        var gone = rig.SendAsync(HttpMethod.Get, "/latest/user-data?wait_for_change=true");
        rig.Store.Merge("vm1", "user_data: null\n"u8);
        Assert.Equal(HttpStatusCode.NotFound, (await gone).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await rig.SendAsync(HttpMethod.Get, "/latest/?wait_for_change=true&timeout_sec=x")).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await rig.SendAsync(HttpMethod.Get, "/latest/?wait_for_change=perhaps&wait_for_change=true&timeout_sec=99999999999")).StatusCode);
    }

    [Fact]
    public async Task A_request_waits_for_metadata_that_are_on_their_way()
    {
        await using var rig = await ServerRig.StartAsync(document: null, new MetadataServerOptions { StartHold = ServerRig.Soon });
        var early = rig.GetAsync("/latest/meta-data/instance-id");
        await rig.TokenAsync();
        rig.Store.Put("vm1", Samples.Parse(Samples.Small));
        Assert.Equal("i-1", await early);
    }

    [Fact]
    public async Task An_instance_that_never_gets_metadata_is_told_404_in_the_end()
    {
        await using var rig = await ServerRig.StartAsync(document: null, new MetadataServerOptions { StartHold = TimeSpan.FromMilliseconds(50) });
        Assert.Equal(HttpStatusCode.NotFound, (await rig.SendAsync(HttpMethod.Get, "/latest/meta-data/")).StatusCode);
    }

    [Fact]
    public async Task Above_its_rate_an_instance_gets_429_but_always_its_token()
    {
        var time = new FakeTimeProvider();
        await using var rig = await ServerRig.StartAsync(options: new MetadataServerOptions { RequestsPerSecond = 1, RequestsBurst = 3, LimitedDelay = TimeSpan.Zero, Time = time });
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/latest/")).StatusCode);
        }

        using var limited = await rig.SendAsync(HttpMethod.Get, "/latest/");
        Assert.Equal(HttpStatusCode.TooManyRequests, limited.StatusCode);
        Assert.InRange(limited.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 2);
        await rig.TokenAsync();
        time.Advance(limited.Headers.RetryAfter.Delta.Value);
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, "/latest/")).StatusCode);
        Assert.Equal(1, rig.Vm1.Counters.Limited);
    }

    [Fact]
    public async Task Instances_see_only_their_own_data_for_any_claim()
    {
        await using var rig = await ServerRig.StartAsync();
        rig.Store.Put("vm2", Samples.Parse("instance_id: i-2\nhostname: vm2\n"));
        await using var other = rig.Server.AttachInstance("vm2");
        other.ListenUnix(rig["vm2.sock"]);
        using var http = ServerRig.ClientOf(rig["vm2.sock"]);
        foreach (var (name, value) in new[] { ("X-Forwarded-For", "192.0.2.5"), ("X-Instance-ID", "i-0123456789abcdef0"), ("Host", "vm1"), ("Forwarded", "for=192.0.2.5"), ("X-Tenant-ID", "vm1") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("http://169.254.169.254/latest/meta-data/instance-id"));
            request.Headers.TryAddWithoutValidation(name, value);
            Assert.Equal("i-2", await (await http.SendAsync(request)).Content.ReadAsStringAsync());
        }
    }
}
