using System.Collections.Concurrent;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Policy;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using ChannelSdk.Services.Metadata;

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
        await using var guest = new GuestDouble(services => services.Stream(FilesMethods.Read, (_, _, _) =>
        {
            reached = true;
            return ValueTask.CompletedTask;
        }));
        await using var host = new ChannelHost();
        var instance = Attach(host, guest, new HostPolicy { HostMay = ["info.Ping", "freeze.Status", "time.Get"] });
        await instance.Info.PingAsync(Soon);

        var error = await Assert.ThrowsAsync<ChannelException>(() => s_calls[method](instance));

        Assert.Equal(ChannelError.PermissionDenied, error.Code);
        Assert.Contains("[services] allow", error.Message, StringComparison.Ordinal);
        Assert.False(reached);
        Assert.Contains(_audit, record => record is { Direction: CallDirection.ToGuest, Refusal: not null } && record.Method == method && record.Instance == "vm1");
    }

    [Fact]
    public async Task A_privileged_call_that_is_let_through_is_noted_and_a_question_is_not()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
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
        await using var host = new ChannelHost();
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
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Serve = services => services.ServeMetadata(store.Instance), Policy = new HostPolicy { GuestMay = [] }, Audit = _audit.Enqueue });
        await instance.WaitReadyAsync(Soon);
        await using var stream = await guest.Channel.OpenStreamAsync(MetadataMethods.Relay, new MetadataRelayRequest(), cancellationToken: Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await stream.ReadAsync(Soon));
        Assert.Equal(ChannelError.PermissionDenied, error.Code);
        Assert.Contains("[guest] allow", Assert.Single(_audit).Refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"host_may\": [\"info.*\"]}", "1: a setting is written key = value, a table [name]")]
    [InlineData("[servces]\nallow = []", "1: unknown table 'servces'; did you mean 'services'?")]
    [InlineData("[services]\nalow = []", "2: unknown key 'alow' in [services]; did you mean 'allow'?")]
    [InlineData("[files]\nread = []", "1: unknown table 'files'; known are services, guest")]
    [InlineData("allow = []", "1: 'allow' stands before the first table; did you mean [services] allow?")]
    [InlineData("[services]\nallow = \"info.*\"", "2: [services] allow: \"info.*\" is not allowed; allowed is a list of methods")]
    [InlineData("[services]\nallow = [\"info get\"]", "2: [services] allow: 'info get' is no method; write \"service.Method\", \"service.*\" or \"*\"")]
    [InlineData("[services]\nallow = [\"*.Get\"]", "2: [services] allow: '*.Get' is no method; write \"service.Method\"")]
    [InlineData("\n[guest]\n\nallow = [\"\"]", "4: [guest] allow: '' is no method; write \"service.Method\"")]
    [InlineData("[guest]\nallow = []\nallow = [\"*\"]", "3: [guest] allow: already set in line 2; keep one of the two")]
    public void A_policy_that_is_wrong_is_refused_with_its_line_and_what_to_write(string text, string expected)
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, text);
        var error = Assert.Throws<ChannelException>(() => HostPolicy.Load(path));
        Assert.Equal((ChannelError.BadConfiguration, ErrorClass.Refused), (error.Code, error.Class));
        Assert.StartsWith($"the host's policy {path}:{expected}", error.Message, StringComparison.Ordinal);
        File.Delete(path);
    }

    [Theory]
    [InlineData("/nonexistent/policy.toml", " cannot be read: No such file or directory (errno 2); give")]
    [InlineData("/proc", " cannot be read: Is a directory (errno 21); give")]
    [InlineData("/dev/zero", ":1: the file is longer than 65536 bytes")]
    public void A_policy_that_cannot_be_read_says_why(string path, string expected)
    {
        var error = Assert.Throws<ChannelException>(() => HostPolicy.Load(path));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.StartsWith($"the host's policy {path}{expected}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_file_allows_methods_services_or_everything()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, "# what this host asks of its guests\n[services]\nallow = [\"info.*\", 'power.Request']\n");
        var policy = HostPolicy.Load(path);
        Assert.Equal(["info.*", "power.Request"], policy.HostMay);
        Assert.Equal(["*"], policy.GuestMay);
        File.WriteAllText(path, "[guest]\nallow = []\n");
        policy = HostPolicy.Load(path);
        Assert.Equal(["*"], policy.HostMay);
        Assert.Empty(policy.GuestMay);
        File.Delete(path);
    }

    private Instance Attach(ChannelHost host, GuestDouble guest, HostPolicy policy) =>
        host.Attach("vm1", guest.Uri, new InstanceOptions { Policy = policy, Audit = _audit.Enqueue });

    private sealed class TemporaryMetadata : IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-metadata-");
        private readonly FolderMetadataStore _store;
        private readonly MetadataServer _server;

        public TemporaryMetadata()
        {
            _store = new FolderMetadataStore(_folder.FullName);
            _server = MetadataServer.StartAsync(_store).GetAwaiter().GetResult();
            Instance = _server.AttachInstance("vm1");
        }

        public MetadataInstance Instance { get; }

        public async ValueTask DisposeAsync()
        {
            await _server.DisposeAsync();
            _store.Dispose();
            _folder.Delete(recursive: true);
        }
    }
}
