using System.IO.Pipes;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Tests;

/// <summary>The pipe, progress, and ways for connections to come in.</summary>
public class GuestTests
{
    private const string WritePath = "/ganeti/latest/write";
    private const string ReadPath = "/ganeti/latest/read";

    [Fact]
    public async Task What_the_guest_writes_the_host_receives_in_order_and_the_reverse()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Equal("", await rig.GetAsync(ReadPath));
        foreach (var text in new[] { "one", "two", "", "three" })
        {
            Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Post, WritePath, new StringContent(text))).StatusCode);
        }

        foreach (var text in new[] { "one", "two", "three" })
        {
            Assert.Equal(text, Encoding.UTF8.GetString((await rig.Vm1.Pipe.ReceiveAsync()).Span));
        }

        await rig.Vm1.Pipe.SendAsync("to "u8.ToArray());
        await rig.Vm1.Pipe.SendAsync("guest"u8.ToArray());
        using var head = await rig.SendAsync(HttpMethod.Head, ReadPath);
        Assert.Equal(8, head.Content.Headers.ContentLength);
        Assert.Equal("to guest", await rig.GetAsync(ReadPath));
        Assert.Equal("", await rig.GetAsync(ReadPath));
    }

    [Fact]
    public async Task A_full_pipe_refuses_the_guest_and_makes_the_host_wait()
    {
        await using var rig = await ServerRig.StartAsync(options: new MetadataServerOptions { PipeBytes = 1024, WriteBytes = 600 });
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Post, WritePath, new ByteArrayContent(new byte[600]))).StatusCode);
        using var full = await rig.SendAsync(HttpMethod.Post, WritePath, new ByteArrayContent(new byte[600]));
        Assert.Equal((HttpStatusCode.TooManyRequests, TimeSpan.FromSeconds(1)), (full.StatusCode, full.Headers.RetryAfter!.Delta));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await rig.SendAsync(HttpMethod.Post, WritePath, new ByteArrayContent(new byte[601]))).StatusCode);
        await rig.Vm1.Pipe.ReceiveAsync();
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Post, WritePath, new ByteArrayContent(new byte[600]))).StatusCode);

        await rig.Vm1.Pipe.SendAsync(new byte[900]);
        var second = rig.Vm1.Pipe.SendAsync(new byte[900]).AsTask();
        Assert.False(second.IsCompleted);
        Assert.Equal(900, (await rig.Http.GetByteArrayAsync(new Uri("http://169.254.169.254" + ReadPath))).Length);
        await second.WaitAsync(ServerRig.Soon);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await rig.Vm1.Pipe.SendAsync(new byte[2000]))).Code);
    }

    [Theory]
    [InlineData("GET", WritePath, "POST")]
    [InlineData("POST", ReadPath, "GET HEAD")]
    [InlineData("GET", "/ganeti/latest/progress", "POST")]
    [InlineData("PUT", "/ganeti/latest/phone_home", "POST")]
    public async Task The_wrong_method_is_told_the_right_one(string method, string path, string allowed)
    {
        await using var rig = await ServerRig.StartAsync();
        using var answer = await rig.SendAsync(new HttpMethod(method), path);
        Assert.Equal((HttpStatusCode.MethodNotAllowed, allowed), (answer.StatusCode, string.Join(' ', answer.Content.Headers.Allow)));
    }

    [Fact]
    public async Task Events_of_cloud_inits_webhook_and_phone_home_become_progress()
    {
        await using var rig = await ServerRig.StartAsync();
        async Task<HttpStatusCode> PostAsync(string path, string body, string? type = null)
        {
            // The webhook reporter sends no Content-Type.
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            content.Headers.ContentType = type is null ? null : new MediaTypeHeaderValue(type);
            return (await rig.SendAsync(HttpMethod.Post, path, content)).StatusCode;
        }

        const string progress = "/ganeti/latest/progress";
        Assert.Equal(HttpStatusCode.OK, await PostAsync(progress, """{"name":"init-local","description":"searching","event_type":"start","origin":"cloudinit","timestamp":1700000000.25}"""));
        Assert.Equal(HttpStatusCode.OK, await PostAsync(progress, """{"name":"init-local","description":"found","event_type":"finish","origin":"cloudinit","timestamp":1700000001,"result":"WARN"}"""));
        Assert.Equal(HttpStatusCode.OK, await PostAsync(progress, """{"name":"copy","event_type":"start","percent":42.5}"""));
        Assert.Equal(HttpStatusCode.OK, await PostAsync("/ganeti/latest/phone_home", "pub_key_rsa=ssh-rsa+AAAA%3D&instance_id=i-1&hostname=vm1&fqdn=vm1.example.org", "application/x-www-form-urlencoded"));
        foreach (var bad in new[] { "", "null", "[]", "{}", """{"name":"x"}""", """{"name":"x","event_type":"middle"}""", """{"name":5,"event_type":"start"}""", """{"name":"\ud800","event_type":"start"}""", new string('[', 6000), "\u0000" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, await PostAsync(progress, bad));
        }

        Assert.Equal(HttpStatusCode.OK, await PostAsync(progress, """{"name":"late","event_type":"finish","result":"FAIL","timestamp":1e300,"percent":900}"""));
        var events = new List<ProgressEvent>();
        await foreach (var one in rig.Vm1.Progress.ReadAsync())
        {
            events.Add(one);
            if (events.Count == 5)
            {
                break;
            }
        }

        Assert.Equal([1, 2, 3, 4, 5], events.Select(e => e.Cursor));
        Assert.Equal(("init-local", "searching", ProgressPhase.Start, null), (events[0].Name, events[0].Description, events[0].Phase, events[0].Result));
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1700000000250), events[0].Timestamp);
        Assert.Equal(ProgressResult.Warning, events[1].Result);
        Assert.Equal((42.5, null), (events[2].Percent, events[1].Percent));
        Assert.Equal(("phone_home", "ssh-rsa AAAA=", ProgressResult.Success), (events[3].Origin, events[3].Details["pub_key_rsa"], events[3].Result));
        Assert.Equal((ProgressResult.Failure, null, null), (events[4].Result, events[4].Timestamp, events[4].Percent));
        Assert.Equal(0, rig.Vm1.Counters.Failures);
    }

    [Fact]
    public async Task Progress_history_is_bounded_and_read_on_from_a_cursor()
    {
        var log = new ProgressLog(history: 3);
        ProgressEvent Event(string name) => new(0, default, null, "", name, "", ProgressPhase.Start, null, null, new Dictionary<string, string>());
        for (var i = 1; i <= 5; i++)
        {
            log.Add(Event($"e{i}"));
        }

        var seen = new List<string>();
        var reading = Task.Run(async () =>
        {
            await foreach (var one in log.ReadAsync(after: 1))
            {
                seen.Add($"{one.Cursor}:{one.Name}");
            }
        });
        log.Add(Event("e6"));
        log.Close();
        await reading.WaitAsync(ServerRig.Soon);
        Assert.Equal("6:e6", seen[^1]);
        Assert.DoesNotContain("2:e2", seen);
        for (var i = 0; i < 3; i++)
        {
            log.Add(Event(new string('x', 100_000)));
        }

        var kept = new List<ProgressEvent>();
        await foreach (var one in log.ReadAsync())
        {
            kept.Add(one);
        }

        Assert.Equal(9, Assert.Single(kept).Cursor);
    }

    [Fact]
    public async Task A_stream_is_served_like_a_socket_and_given_back_at_its_end()
    {
        await using var rig = await ServerRig.StartAsync();
        var name = $"/tmp/md-{Guid.NewGuid():N}";
        await using var host = new NamedPipeServerStream(name, PipeDirection.InOut, 1, PipeTransmissionMode.Byte, PipeOptions.Asynchronous);
        await using var guest = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.Asynchronous);
        await Task.WhenAll(host.WaitForConnectionAsync(), guest.ConnectAsync());
        var serving = rig.Vm1.AcceptAsync(host);
        await guest.WriteAsync("GET /latest/meta-data/hostname HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        var first = new byte[4096];
        Assert.Contains("vm1.example.org", Encoding.ASCII.GetString(first, 0, await guest.ReadAsync(first).AsTask().WaitAsync(ServerRig.Soon)));
        await guest.WriteAsync("GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.Contains("i-0123456789abcdef0", await new StreamReader(guest).ReadToEndAsync().WaitAsync(ServerRig.Soon));
        await serving.WaitAsync(ServerRig.Soon);
        Assert.Equal(0, rig.Vm1.ConnectionCount);
    }

    [Fact]
    public async Task A_link_local_IPv6_zone_in_the_Host_header_does_no_harm()
    {
        await using var rig = await ServerRig.StartAsync();
        var (guest, host) = await PairAsync();
        using var own = guest;
        var serving = rig.Vm1.AcceptAsync(new Http.HostZoneFilter(new NetworkStream(host, ownsSocket: true)));
        const string body = "Host: [x%y]\r\nhost: [100%]";
        foreach (var piece in new[] { "POST /ganeti/latest/write HTTP/1.1\r\nHO", "st: [fe80::a9fe:a9fe%25e", $"th0]:80\r\nX-Other: 100%\r\nContent-Length: {body.Length}\r\n", "\r", "\n" + body })
        {
            await guest.SendAsync(Encoding.ASCII.GetBytes(piece));
        }

        var buffer = new byte[4096];
        Assert.StartsWith("HTTP/1.1 200 ", Encoding.ASCII.GetString(buffer, 0, await guest.ReceiveAsync(buffer).WaitAsync(ServerRig.Soon)));
        Assert.Equal(body, Encoding.ASCII.GetString((await rig.Vm1.Pipe.ReceiveAsync().AsTask().WaitAsync(ServerRig.Soon)).Span));
        await guest.SendAsync("GET /latest/meta-data/hostname HTTP/1.1\r\nHost: [fe80::a9fe:a9fe%eth0]\r\nConnection: close\r\n\r\n"u8.ToArray());
        Assert.Contains("vm1.example.org", Encoding.ASCII.GetString(buffer, 0, await guest.ReceiveAsync(buffer).WaitAsync(ServerRig.Soon)));
        await serving.WaitAsync(ServerRig.Soon);
    }

    [Fact]
    public async Task Detaching_closes_listeners_connections_and_readers_and_leaves_the_metadata()
    {
        await using var rig = await ServerRig.StartAsync();
        await rig.GetAsync("/latest/");
        var waiting = rig.GetAsync("/latest/?wait_for_change=true");
        var receiving = rig.Vm1.Pipe.ReceiveAsync().AsTask();
        await rig.Vm1.DisposeAsync();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => waiting);
        Assert.Equal(ChannelError.StreamClosed, (await Assert.ThrowsAsync<ChannelException>(() => receiving)).Code);
        Assert.False(File.Exists(rig.SocketPath));
        Assert.NotNull(rig.Store.Find("vm1"));
        await using var again = rig.Server.AttachInstance("vm1");
        again.ListenUnix(rig.SocketPath);
        Assert.Equal("vm1.example.org", await rig.GetAsync("/latest/meta-data/hostname"));
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => rig.Server.AttachInstance("vm1")).Code);
    }

    [Fact]
    public async Task A_socket_path_is_taken_from_the_dead_only()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(rig.SocketPath));
        await using var vm2 = rig.Server.AttachInstance("vm2");
        Assert.Equal(ChannelError.EndpointBusy, Assert.Throws<ChannelException>(() => vm2.ListenUnix(rig.SocketPath)).Code);
        File.WriteAllText(rig["file"], "");
        Assert.Equal(ChannelError.EndpointDenied, Assert.Throws<ChannelException>(() => vm2.ListenUnix(rig["file"])).Code);
        Assert.Equal(ChannelError.TransportFailed, Assert.Throws<ChannelException>(() => vm2.ListenUnix(rig["no/such/folder.sock"])).Code);
    }

    private static async Task<(Socket Guest, Socket Host)> PairAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var guest = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await guest.ConnectAsync(listener.LocalEndPoint!);
        return (guest, await listener.AcceptAsync());
    }
}
