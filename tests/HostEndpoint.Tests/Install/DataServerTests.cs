using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Servers that the data of disks is sent to and fetched from.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class DataServerTests
{
    private readonly byte[] _content = RandomNumberGenerator.GetBytes(400_000);

    [Fact]
    public async Task An_export_is_put_in_chunks_and_ends_when_all_is_checked()
    {
        using var server = new Server(201);
        Assert.Equal("", (await ExportAsync(server.Url + "/vm1/disk0?key=KEY")).Reason);
        var (head, body, isWhole) = Assert.Single(server.Requests);
        Assert.StartsWith("PUT /vm1/disk0?key=KEY HTTP/1.1\r\n", head);
        Assert.Contains("Transfer-Encoding: chunked", head);
        Assert.True(isWhole);
        Assert.Equal(_content, body);
    }

    [Fact]
    public async Task A_server_that_refuses_an_export_is_told_with_its_answer_and_without_the_query()
    {
        using var server = new Server(403) { RefusesAtOnce = true };
        Assert.Equal($"the server answered 403 (Forbidden) for a disk's data {server.Url}/x?...", (await ExportAsync(server.Url + "/x?key=KEY")).Reason);
        using var late = new Server(507);
        Assert.Equal($"the server answered 507 (InsufficientStorage) for a disk's data {late.Url}/x", (await ExportAsync(late.Url + "/x")).Reason);
        using var none = new Server(200);
        none.Dispose();
        Assert.Contains("cannot be reached", (await ExportAsync(none.Url + "/x")).Reason);
    }

    [Fact]
    public async Task An_export_that_fails_never_looks_whole_to_its_server()
    {
        using var server = new Server(201);
        var disks = new FakeDisks(isExport: true, _content) { Lie = e => e.Bytes++ };
        Assert.Contains("is another at its two ends", (await RunAsync(disks, InstallAction.Export, server.Url + "/x")).Reason);
        await server.Ended.Task.WaitAsync(InstallRig.Soon);
        Assert.False(Assert.Single(server.Requests).IsWhole);
    }

    [Fact]
    public async Task An_import_is_got_and_one_that_is_cut_fails()
    {
        using var server = new Server(200) { Content = _content };
        var disks = new FakeDisks(isExport: false, Array.Empty<byte>());
        Assert.Equal("", (await RunAsync(disks, InstallAction.Import, server.Url + "/x")).Reason);
        Assert.Equal(_content, disks.Contents[0]);
        using var cut = new Server(200) { Content = _content, SentBytes = 100_000 };
        var result = await RunAsync(new FakeDisks(isExport: false, Array.Empty<byte>()), InstallAction.Import, cut.Url + "/x");
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("was cut after", result.Reason);
    }

    [Theory]
    [InlineData(InstallAction.Export)]
    [InlineData(InstallAction.Import)]
    public async Task An_inner_address_is_refused_as_for_a_package(InstallAction action)
    {
        using var server = new Server(200);
        var result = await RunAsync(new FakeDisks(action == InstallAction.Export, _content), action, server.Url + "/x", isAllowed: false);
        Assert.Contains("of a disk's data is at 127.0.0.1, an inner address", result.Reason);
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData(InstallAction.Export)]
    [InlineData(InstallAction.Import)]
    public async Task A_server_gets_the_credentials_for_the_data_and_nothing_else_does(InstallAction action)
    {
        // What looks like the place of the credentials stays as it is in the data.
        byte[] content = [.. "\r\nAuthorization: channelsdk-credentials\r\n"u8, .. _content];
        using var server = new Server(200) { Content = action == InstallAction.Import ? content : [] };
        var disks = new FakeDisks(action == InstallAction.Export, content);
        Assert.Equal("", (await RunAsync(disks, action, server.Url + "/x", credentials: Credentials())).Reason);
        var (head, body, _) = Assert.Single(server.Requests);
        Assert.Contains("\r\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\r\n", head);
        Assert.Equal(action == InstallAction.Export ? content : [], body);
        Assert.Equal(content, disks.Contents[0]);
    }

    [Fact]
    public async Task Credentials_do_not_follow_a_redirect_to_another_server()
    {
        using var target = new Server(200) { Content = _content };
        using var first = new Server(302) { Location = target.Url + "/y" };
        var disks = new FakeDisks(isExport: false, Array.Empty<byte>());
        Assert.Equal("", (await RunAsync(disks, InstallAction.Import, first.Url + "/x", credentials: Credentials())).Reason);
        Assert.Contains("\r\nAuthorization: Basic ", Assert.Single(first.Requests).Head);
        Assert.DoesNotContain("Authorization", Assert.Single(target.Requests).Head);
    }

    [Fact]
    public async Task Credentials_for_data_on_two_servers_or_on_none_are_refused_and_wiped()
    {
        using var rig = new InstallRig { Appliance = new FakeDisks(isExport: true, _content, _content).Appliance };
        rig.Write("os/untrusted/export", "#!/bin/sh\n");
        foreach (var (places, why) in ((DiskData[], string)[])
        [
            ([DiskData.AtUrl("http://127.0.0.1:1/a"), DiskData.AtUrl("http://127.0.0.1:2/b")], "its URLs http://127.0.0.1:1/a and http://127.0.0.1:2/b are on two"),
            ([DiskData.InFile(rig.At("a")), DiskData.InFile(rig.At("b"))], "none of it is at a URL"),
        ])
        {
            var credentials = Credentials();
            var e = await Assert.ThrowsAsync<ChannelException>(() => rig.RunAsync(r => r with
            {
                Action = InstallAction.Export,
                Disks = [new TargetDisk(rig.Disk), new TargetDisk(rig.Disk)],
                Data = places,
                DataCredentials = credentials,
            }));
            Assert.Contains(why, e.Message);
            Assert.Throws<ObjectDisposedException>(() => credentials.Password.GetSpan());
        }
    }

    private static PackageCredentials Credentials() => new("user", SecretValue.CopyOf("password"u8));

    private Task<InstallResult> ExportAsync(string url) => RunAsync(new FakeDisks(isExport: true, _content), InstallAction.Export, url);

    private static async Task<InstallResult> RunAsync(FakeDisks disks, InstallAction action, string url, bool isAllowed = true, PackageCredentials? credentials = null)
    {
        using var rig = new InstallRig { Appliance = disks.Appliance };
        rig.Networks = isAllowed ? rig.Networks : [];
        rig.Write($"os/untrusted/{OsDefinition.ScriptName(action)}", "#!/bin/sh\n");
        return (await rig.RunAsync(r => r with { Action = action, Disks = [new TargetDisk(rig.Disk)], Data = [DiskData.AtUrl(url)], DataCredentials = credentials })).Result;
    }

    /// <summary>Takes one PUT or answers one GET for each connection.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly int _status;

        public Server(int status)
        {
            _status = status;
            _listener.Start();
            Url = $"http://{_listener.LocalEndpoint}";
            _ = ServeAsync();
        }

        public string Url { get; }
        public byte[] Content { get; init; } = [];
        public int? SentBytes { get; init; }
        public bool RefusesAtOnce { get; init; }
        public string? Location { get; init; }
        public ConcurrentQueue<(string Head, byte[] Body, bool IsWhole)> Requests { get; } = [];
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Dispose() => _listener.Stop();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await ServeAsync(client.GetStream());
                    Ended.TrySetResult();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
                // The test is over.
                Ended.TrySetResult();
            }
        }

        private async Task ServeAsync(NetworkStream stream)
        {
            var head = await LinesAsync(stream);
            var (body, isWhole) = (new MemoryStream(), true);
            if (head.StartsWith("PUT", StringComparison.Ordinal) && !RefusesAtOnce)
            {
                await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray());
                isWhole = await ChunksAsync(stream, body);
            }

            Requests.Enqueue((head, body.ToArray(), isWhole));
            if (isWhole)
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {_status} x\r\n{(Location is null ? "" : $"Location: {Location}\r\n")}Content-Length: {Content.Length}\r\n\r\n"));
                await stream.WriteAsync(Content.AsMemory(0, SentBytes ?? Content.Length));
            }
        }

        /// <summary>Lines to the first empty one.</summary>
        private static async Task<string> LinesAsync(NetworkStream stream)
        {
            var text = new StringBuilder();
            while (await LineAsync(stream) is { Length: > 0 } line)
            {
                text.Append(line + "\r\n");
            }

            return text.ToString();
        }

        private static async Task<string?> LineAsync(NetworkStream stream)
        {
            var line = new StringBuilder();
            var one = new byte[1];
            while (await stream.ReadAsync(one) == 1)
            {
                if (one[0] == '\n')
                {
                    return line.ToString().TrimEnd('\r');
                }

                line.Append((char)one[0]);
            }

            return null;
        }

        /// <summary>Whether the last chunk has come.</summary>
        private static async Task<bool> ChunksAsync(NetworkStream stream, MemoryStream body)
        {
            try
            {
                while (await LineAsync(stream) is { Length: > 0 } length)
                {
                    var chunk = new byte[int.Parse(length, NumberStyles.HexNumber, CultureInfo.InvariantCulture)];
                    await stream.ReadExactlyAsync(chunk);
                    await LineAsync(stream);
                    if (chunk.Length == 0)
                    {
                        return true;
                    }

                    body.Write(chunk);
                }
            }
            catch (IOException)
            {
                // It was cut.
            }

            return false;
        }
    }
}
