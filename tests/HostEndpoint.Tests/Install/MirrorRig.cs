using System.Collections.Concurrent;
using System.Net;
using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using ChannelSdk.Services.Proxy;
using ChannelSdk.Transports.InMemory;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The proxy of an operation, and a guest's channel on which the test writes whatever it wants.</summary>
internal sealed class MirrorRig : IAsyncDisposable
{
    private readonly InMemoryPair _pair = new();
    private readonly MirrorProxy _proxy;
    private readonly Channel _host;

    private MirrorRig(MirrorProxy proxy)
    {
        _proxy = proxy;
        var services = new ServiceRegistry();
        proxy.Serve(services);
        _host = new Channel(PeerRole.Host, _pair.Host, services, MirrorProxy.WithRoom(new ChannelOptions()));
        Guest = new Channel(PeerRole.Guest, _pair.Guest, new ServiceRegistry());
        _host.Start();
        Guest.Start();
    }

    public Channel Guest { get; }

    /// <summary>What the operation's log has.</summary>
    public required ConcurrentQueue<string> Lines { get; init; }

    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    /// <summary>A proxy for these origins, whose network is the test's.</summary>
    public static async Task<MirrorRig> StartAsync(
        IEnumerable<string> origins, long maxBytes = 1 << 30, MirrorTimes? times = null, Func<string, CancellationToken, Task<IPAddress[]>>? lookUp = null)
    {
        var lines = new ConcurrentQueue<string>();
        var traffic = new MirrorTraffic([.. origins.Select(static url => MirrorOrigin.Parse(new Uri(url)))], maxBytes, (level, text) => lines.Enqueue($"{level}: {text}"));
        var addresses = new ServerAddresses([IPNetwork.Parse("127.0.0.1/32")], "a mirror", "--mirror-network");
        addresses = lookUp is null ? addresses : new ServerAddresses([IPNetwork.Parse("127.0.0.1/32")], "a mirror", "--mirror-network") { LookUp = lookUp };
        var rig = new MirrorRig(await MirrorProxy.StartAsync(traffic, addresses, times ?? new MirrorTimes())) { Lines = lines };
        await rig.Guest.WaitReadyAsync(Soon);
        return rig;
    }

    public static Task<MirrorRig> StartAsync(string origin) => StartAsync([origin]);

    /// <summary>A request as most clients make it.</summary>
    public static string Get(string url, string headers = "") => $"GET {url} HTTP/1.1\r\nHost: {new Uri(url).Authority}\r\n{headers}\r\n";

    public static string Connect(string place) => $"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n";

    /// <summary>A connection of the guest's to the proxy.</summary>
    public async Task<ChannelByteStream> ConnectAsync() =>
        new(await Guest.OpenStreamAsync(ProxyMethods.Connect, new ProxyConnectRequest(), cancellationToken: Soon));

    /// <summary>Writes a request, or what looks like one, and reads the answer to its good end.</summary>
    public async Task<string> AskAsync(string request)
    {
        await using var connection = await ConnectAsync();
        await connection.WriteAsync(Encoding.Latin1.GetBytes(request), Soon);
        return await ReadAsync(connection);
    }

    public static async Task<string> ReadAsync(Stream connection)
    {
        using var all = new MemoryStream();
        await connection.CopyToAsync(all, Soon);
        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>The status of an answer.</summary>
    public static string Status(string answer) => answer.Split(' ') is ["HTTP/1.1", var status, ..] ? status : $"no answer: {answer}";

    /// <summary>Ends the operation, so that its sums are in the log.</summary>
    public ValueTask EndAsync() => _proxy.DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await Guest.DisposeAsync();
        await _host.DisposeAsync();
        await _proxy.DisposeAsync();
        await _pair.DisposeAsync();
    }
}
