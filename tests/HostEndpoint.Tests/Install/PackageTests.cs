using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

[Trait(Lane.Name, Lane.Integration)]
public class PackageTests
{
    private static readonly byte[] s_package = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 / 7))];

    /// <summary>An operation with a package from an URL.</summary>
    private static async Task<(InstallResult Result, List<InstallEvent> Events, InstallRig Rig)> RunAsync(string url, PackageCredentials? credentials = null, ChannelException? refusal = null)
    {
        var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        rig.Appliance = new FakeAppliance(_ => Task.FromResult(InstallRig.Well)) { OverlayRefusal = refusal };
        rig.Records.Change("vm1", r => r with { PersonalizationUrl = url });
        var (result, events) = await rig.RunAsync(r => r with { PackageCredentials = credentials });
        return (result, events, rig);
    }

    [Fact]
    public async Task A_package_in_a_file_is_streamed_into_the_appliance_and_stored_nowhere()
    {
        using var folder = new TestFolder();
        var path = folder.At("p.tar.gz");
        await File.WriteAllBytesAsync(path, s_package);
        var (result, events, rig) = await RunAsync($"file://{path}");
        using (rig)
        {
            Assert.Equal("", result.Reason);
            Assert.Equal(s_package, rig.Appliance!.Overlay);
            Assert.Contains(events, e => e is PhaseEvent { Phase: InstallPhase.Personalizing });
            Assert.Contains(events, e => e is LogEvent log && log.Text.Contains("1 entries, 300000 bytes"));
            Assert.All(Directory.GetFiles(rig.State, "*", SearchOption.AllDirectories), f => Assert.InRange(new FileInfo(f).Length, 0, 100_000));
        }
    }

    [Fact]
    public async Task A_missing_file_and_a_refused_archive_fail_the_operation_with_their_reason()
    {
        var (result, _, rig) = await RunAsync("file:///nonexistent/p.tgz");
        rig.Dispose();
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("/nonexistent/p.tgz cannot be read", result.Reason);
        using var folder = new TestFolder();
        await File.WriteAllBytesAsync(folder.At("p.tgz"), s_package);
        (result, _, rig) = await RunAsync($"file://{folder.At("p.tgz")}", refusal: new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the entry ../etc/passwd leaves the system"));
        rig.Dispose();
        Assert.Contains("the entry ../etc/passwd leaves the system", result.Reason);
    }

    [Fact]
    public async Task A_package_from_a_server_gets_its_credentials_and_they_are_shown_nowhere()
    {
        using var server = new Server("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", s_package);
        var (result, events, rig) = await RunAsync(server.Url + "?token=MARKED", new PackageCredentials("anna", SecretValue.CopyOf("MARKED-PASSWORD"u8)));
        using (rig)
        {
            Assert.Equal("", result.Reason);
            Assert.Equal(s_package, rig.Appliance!.Overlay);
            Assert.Contains($"Authorization: Basic {Convert.ToBase64String("anna:MARKED-PASSWORD"u8)}\r\n", await server.Request);
            Assert.Contains("GET /p.tar.gz?token=MARKED ", await server.Request);
            Assert.DoesNotContain("MARKED", string.Concat(events));
            Assert.All(rig.Files().Where(f => !f.Path.Contains("/records/")), f => Assert.DoesNotContain("MARKED", f.Content));
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, "answered 404 (NotFound)")]
    [InlineData("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 0, "answered 401 (Unauthorized)")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", 1000, "was cut after 1000 of 300000 bytes")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n", 1000, "was cut after 1000 bytes")]
    [InlineData("nonsense\r\n\r\n", 0, "cannot be reached")]
    public async Task A_server_that_has_no_package_or_cuts_it_fails_the_operation(string head, int bytes, string said)
    {
        using var server = new Server(head, s_package.AsMemory(0, bytes));
        var (result, _, rig) = await RunAsync(server.Url);
        rig.Dispose();
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains(said, result.Reason);
        Assert.Empty(rig.Appliance!.Overlay);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_of()
    {
        string url;
        using (var gone = new Server("", ReadOnlyMemory<byte>.Empty))
        {
            url = gone.Url;
        }

        var (result, _, rig) = await RunAsync(url);
        rig.Dispose();
        Assert.Contains("cannot be reached: ConnectionError", result.Reason);
    }

    [Fact]
    public async Task A_package_comes_over_https_from_a_server_that_the_hosts_certificates_know()
    {
        using var certificate = NewCertificate();
        using var roots = new X509Store(StoreName.Root, StoreLocation.CurrentUser, OpenFlags.ReadWrite);
        using var known = X509CertificateLoader.LoadCertificate(certificate.RawData);
        roots.Add(known);
        try
        {
            using var server = new Server("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", s_package, certificate);
            var (result, _, rig) = await RunAsync(server.Url, new PackageCredentials("anna", SecretValue.CopyOf("MARKED-PASSWORD"u8)));
            using (rig)
            {
                Assert.Equal("", result.Reason);
                Assert.Equal(s_package, rig.Appliance!.Overlay);
                Assert.Contains($"Authorization: Basic {Convert.ToBase64String("anna:MARKED-PASSWORD"u8)}\r\n", await server.Request);
            }
        }
        finally
        {
            roots.Remove(known);
        }
    }

    [Fact]
    public async Task A_server_with_a_self_signed_certificate_is_not_asked_for_a_package()
    {
        using var certificate = NewCertificate();
        using var server = new Server("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", s_package, certificate);
        var (result, _, rig) = await RunAsync(server.Url, new PackageCredentials("anna", SecretValue.CopyOf("MARKED-PASSWORD"u8)));
        rig.Dispose();
        Assert.Contains("cannot be reached: SecureConnectionError", result.Reason);
        Assert.Empty(rig.Appliance!.Overlay);
        Assert.Equal("", await server.Request);
    }

    private static X509Certificate2 NewCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=package test {Guid.NewGuid()}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>Answers each request with what it is given, a HEAD without the body, and closes; over TLS if it has a certificate.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2? _certificate;
        private readonly TaskCompletionSource<string> _request = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Server(string head, ReadOnlyMemory<byte> body, X509Certificate2? certificate = null)
        {
            _certificate = certificate;
            _listener.Start();
            Url = $"{(certificate is null ? "http" : "https")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/p.tar.gz";
            _ = ServeAsync(head, body);
        }

        public string Url { get; }

        /// <summary>The first one for the content; empty if a client did not want to make one.</summary>
        public Task<string> Request => _request.Task;

        public void Dispose() => _listener.Stop();

        private async Task ServeAsync(string head, ReadOnlyMemory<byte> body)
        {
            try
            {
                while (true)
                {
                    using var socket = await _listener.AcceptSocketAsync();
                    var request = await ServeAsync(socket, head, body);
                    if (!request.StartsWith("HEAD", StringComparison.Ordinal))
                    {
                        _request.TrySetResult(request);
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }

        private async Task<string> ServeAsync(Socket socket, string head, ReadOnlyMemory<byte> body)
        {
            await using var plain = new NetworkStream(socket);
            await using var secured = _certificate is null ? null : new SslStream(plain);
            try
            {
                await (secured?.AuthenticateAsServerAsync(_certificate!) ?? Task.CompletedTask);
                return await AnswerAsync((Stream?)secured ?? plain, head, body);
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                return "";
            }
        }

        private static async Task<string> AnswerAsync(Stream stream, string head, ReadOnlyMemory<byte> body)
        {
            var request = new StringBuilder();
            var buffer = new byte[4096];
            while (!request.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(buffer) is > 0 and var count)
            {
                request.Append(Encoding.ASCII.GetString(buffer, 0, count));
            }

            if (request.Length > 0)
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
                await stream.WriteAsync(request.ToString().StartsWith("HEAD", StringComparison.Ordinal) ? default : body);
            }

            return request.ToString();
        }
    }
}
