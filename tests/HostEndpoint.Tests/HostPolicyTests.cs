using System.Collections.Concurrent;
using ChannelSdk.HostEndpoint.Policy;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Tests;

public class HostPolicyTests
{
    private readonly ConcurrentQueue<AuditRecord> _audit = [];

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public static TheoryData<string> Calls => [.. s_calls.Keys];

    private static readonly Dictionary<string, Func<Instance, Task>> s_calls = new()
    {
        ["info.Get"] = async i => await i.Info.GetAsync(Soon),
        ["power.Request"] = async i => await i.Power.ShutdownAsync("test", cancellationToken: Soon),
        ["freeze.Freeze"] = async i => await i.Freeze.FreezeAsync(TimeSpan.FromSeconds(5), cancellationToken: Soon),
        ["freeze.Thaw"] = async i => await i.Freeze.ThawAsync(cancellationToken: Soon),
        ["time.Set"] = async i => await i.Time.SetAsync(cancellationToken: Soon),
        ["storage.Trim"] = async i => await i.Storage.TrimAsync(["/"], cancellationToken: Soon),
        ["files.Read"] = async i => await i.Files.CopyOutAsync("/etc/hostname", "/nonexistent/x", new FileCopyOptions(), cancellationToken: Soon),
        ["files.Write"] = async i => await i.Files.CopyInAsync("/etc/hostname", "/tmp/x", new FileCopyOptions(), cancellationToken: Soon),
        ["exec.Run"] = async i => await i.Exec.RunAsync(new ExecOptions { Command = ["/bin/true"] }, cancellationToken: Soon),
        ["measure.Sink"] = async i => await i.Measure.SendAsync(1, cancellationToken: Soon),
    };

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task What_the_hosts_policy_does_not_allow_is_not_sent_and_is_noted(string method)
    {
        var reached = false;
        await using var guest = new GuestDouble(services => services.Stream(ServiceMethods.FilesRead, (_, _, _) =>
        {
            reached = true;
            return ValueTask.CompletedTask;
        }));
        await using var host = new HostEndpoint();
        var instance = Attach(host, guest, new HostPolicy { HostMay = ["info.Ping", "freeze.Status", "time.Get"] });
        await instance.Info.PingAsync(Soon);

        var error = await Assert.ThrowsAsync<ChannelException>(() => s_calls[method](instance));

        Assert.Equal(ChannelError.PermissionDenied, error.Code);
        Assert.Contains("host_may", error.Message, StringComparison.Ordinal);
        Assert.False(reached);
        Assert.Contains(_audit, record => record is { Direction: CallDirection.ToGuest, Refusal: not null } && record.Method == method && record.Instance == "vm1");
    }

    [Fact]
    public async Task A_privileged_call_that_is_let_through_is_noted_and_a_question_is_not()
    {
        await using var guest = new GuestDouble();
        await using var host = new HostEndpoint();
        var instance = Attach(host, guest, HostPolicy.Open);
        await instance.Info.GetAsync(Soon);
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(5), cancellationToken: Soon);
        var record = Assert.Single(_audit);
        Assert.Equal(("freeze.Freeze", null), (record.Method, record.Refusal));
        Assert.EndsWith(" audit: vm1: allowed freeze.Freeze to the guest", record.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_guest_asks_for_and_is_not_served_is_refused_and_noted_at_a_bounded_rate()
    {
        await using var guest = new GuestDouble();
        await using var host = new HostEndpoint();
        var instance = Attach(host, guest, HostPolicy.Open);
        await instance.WaitReadyAsync(Soon);
        var evil = new RpcMethod<PingRequest, PingReply>("host.Own!\"me", StreamClass.Rpc);
        for (var i = 0; i < 200; i++)
        {
            var error = await Assert.ThrowsAsync<ChannelException>(async () => await guest.Channel.CallAsync(evil, new PingRequest(), cancellationToken: Soon));
            Assert.Equal(ChannelError.UnknownMethod, error.Code);
        }

        Assert.InRange(_audit.Count, 1, 100);
        Assert.All(_audit, record => Assert.Equal((CallDirection.ToHost, "host.Own!\"me"), (record.Direction, record.Method)));
    }

    [Fact]
    public async Task What_the_hosts_policy_denies_the_guest_is_refused_though_it_is_served()
    {
        await using var store = new TemporaryMetadata();
        await using var guest = new GuestDouble();
        await using var host = new HostEndpoint();
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Metadata = store.Instance, Policy = new HostPolicy { GuestMay = [] }, Audit = _audit.Enqueue });
        await instance.WaitReadyAsync(Soon);
        await using var stream = await guest.Channel.OpenStreamAsync(ServiceMethods.MetadataRelay, new MetadataRelayRequest(), cancellationToken: Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await stream.ReadAsync(Soon));
        Assert.Equal(ChannelError.PermissionDenied, error.Code);
        Assert.Contains("guest_may", Assert.Single(_audit).Refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "policy.json")]
    [InlineData("""{"host_my": []}""", "host_my")]
    [InlineData("""{"host_may": ["info get"]}""", "service.*")]
    [InlineData("""{"host_may": ["*.Get"]}""", "service.*")]
    [InlineData("""{"guest_may": [null]}""", "service.*")]
    public void A_policy_that_is_wrong_says_what(string text, string expected)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-policy-");
        var path = Path.Combine(folder.FullName, "policy.json");
        File.WriteAllText(path, text);
        var error = Assert.Throws<ChannelException>(() => HostPolicy.Load(path));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        folder.Delete(recursive: true);
    }

    [Fact]
    public void A_policy_file_allows_methods_services_or_everything()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, """{"host_may": ["info.*", "power.Request"]}""");
        var policy = HostPolicy.Load(path);
        Assert.Equal(["info.*", "power.Request"], policy.HostMay);
        Assert.Equal(["*"], policy.GuestMay);
        File.Delete(path);
    }

    private Instance Attach(HostEndpoint host, GuestDouble guest, HostPolicy policy) =>
        host.Attach("vm1", guest.Uri, new InstanceOptions { Policy = policy, Audit = _audit.Enqueue });

    private sealed class TemporaryMetadata : IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-metadata-");
        private readonly Metadata.FolderMetadataStore _store;
        private readonly Metadata.MetadataServer _server;

        public TemporaryMetadata()
        {
            _store = new Metadata.FolderMetadataStore(_folder.FullName);
            _server = Metadata.MetadataServer.StartAsync(_store).GetAwaiter().GetResult();
            Instance = _server.AttachInstance("vm1");
        }

        public Metadata.MetadataInstance Instance { get; }

        public async ValueTask DisposeAsync()
        {
            await _server.DisposeAsync();
            _store.Dispose();
            _folder.Delete(recursive: true);
        }
    }
}
