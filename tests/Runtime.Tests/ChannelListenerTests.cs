using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Many peers on one listening socket.</summary>
public sealed class ChannelListenerTests : IAsyncLifetime, IDisposable
{
    private static readonly RpcMethod<Empty, Empty> s_hang = new("listener.Hang", StreamClass.Rpc);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("listener-");
    private readonly ServiceRegistry _services = new();
    private readonly List<Channel> _clients = [];
    private readonly SemaphoreSlim _hanging = new(0);
    private readonly SemaphoreSlim _cancelled = new(0);
    private ChannelListener? _listener;

    public ChannelListenerTests()
    {
        _services.Unary(ChannelPair.Echo, static (request, _) => ValueTask.FromResult(request));
        _services.Unary(s_hang, async (_, context) =>
        {
            _hanging.Release();
            try
            {
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            }
            finally
            {
                _cancelled.Release();
            }

            return new Empty();
        });
    }

    private static ChannelOptions Fast { get; } = new() { RetryMin = TimeSpan.FromMilliseconds(2), RetryMax = TimeSpan.FromMilliseconds(20), CandidateTime = TimeSpan.FromMilliseconds(200) };

    private string Path => $"{_folder.FullName}/s.sock";

    [Fact]
    public async Task One_peers_end_ends_its_own_calls_and_no_others()
    {
        Listen(maxChannels: 2);
        var (first, second) = (Connect(), Connect());
        var ended = HangAsync(first);
        var other = HangAsync(second);
        await _hanging.WaitAsync(ChannelPair.Soon);
        await _hanging.WaitAsync(ChannelPair.Soon);
        await first.DisposeAsync();
        await Assert.ThrowsAsync<ChannelException>(() => ended);
        await _cancelled.WaitAsync(ChannelPair.Soon);
        await UntilAsync(() => _listener!.Count == 1);
        await EchoAsync(second);
        Assert.False(other.IsCompleted);
    }

    [Fact]
    public async Task A_peer_beyond_the_bound_waits_until_another_has_gone()
    {
        Listen(maxChannels: 2);
        var (first, second) = (Connect(), Connect());
        await EchoAsync(first);
        await EchoAsync(second);
        var third = Connect();
        var waiting = EchoAsync(third);
        // Two more rounds of the others: the third had as much time, and was not served.
        await EchoAsync(first);
        await EchoAsync(second);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(2, _listener!.Count);
        await second.DisposeAsync();
        await waiting;
        await EchoAsync(first);
    }

    [Fact]
    public async Task Nothing_is_kept_for_peers_that_have_gone()
    {
        Listen(maxChannels: 4);
        for (var i = 0; i < 20; i++)
        {
            await using var client = Connect();
            await EchoAsync(client);
        }

        await UntilAsync(() => _listener!.Count == 0);
    }

    [Fact]
    public async Task A_connection_that_says_nothing_leaves_its_place_in_time()
    {
        Listen(maxChannels: 1);
        await using var endpoint = TransportEndpoints.Create($"unix://{Path}");
        await using var silent = await endpoint.OpenAsync(ChannelPair.Soon);
        await EchoAsync(Connect());
    }

    [Fact]
    public async Task Channels_are_prepared_before_their_peers_are_answered()
    {
        Listen(maxChannels: 2, static channel => channel.SetState(StateWord.Ready));
        var client = Connect();
        await EchoAsync(client);
        await UntilAsync(() => client.Status.PeerHeartbeat is not null);
        Assert.Equal(StateWord.Ready, client.Status.PeerHeartbeat!.Value.State);
    }

    [Fact]
    public async Task A_preparation_that_fails_loses_its_own_peer_and_no_other()
    {
        var fails = 1;
        Listen(maxChannels: 1, _ =>
        {
            if (Interlocked.Exchange(ref fails, 0) == 1)
            {
                throw new InvalidOperationException("not this one");
            }
        });
        await using var endpoint = TransportEndpoints.Create($"unix://{Path}");
        await using var refused = await endpoint.OpenAsync(ChannelPair.Soon);
        Assert.Equal(0, await refused.ReceiveAsync(new byte[1]));
        await EchoAsync(Connect());
    }

    [Fact]
    public async Task A_transport_that_throws_at_the_end_of_a_refused_link_does_not_end_the_listener()
    {
        var fails = 1;
        var endpoint = new ThrowingListener((IListeningEndpoint)TransportEndpoints.Create($"unix-listen://{Path}"));
        await using var listener = new ChannelListener(PeerRole.Guest, endpoint, _services, 1, Fast, _ =>
        {
            if (Interlocked.Exchange(ref fails, 0) == 1)
            {
                throw new InvalidOperationException("not this one");
            }
        });
        listener.Start();
        await endpoint.FirstDisposed.WaitAsync(ChannelPair.Soon);
        await EchoAsync(Connect());
        Assert.Equal(1, listener.Count);
    }

    [Fact]
    public async Task The_end_of_the_listener_ends_its_peers_calls_and_removes_the_socket()
    {
        Listen(maxChannels: 2);
        var call = HangAsync(Connect());
        await _hanging.WaitAsync(ChannelPair.Soon);
        await _listener!.DisposeAsync();
        var error = await Assert.ThrowsAsync<ChannelException>(() => call);
        Assert.Equal(ErrorClass.MayHaveRun, error.Class);
        Assert.False(File.Exists(Path));
    }

    [Fact]
    public async Task Where_it_cannot_listen_it_says_why_and_tries_again()
    {
        var folder = $"{_folder.FullName}/later";
        await using var listener = new ChannelListener(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{folder}/s.sock"), _services, 1, Fast);
        listener.Start();
        Assert.Equal(ChannelError.EndpointMissing, listener.LastError!.Code);
        Directory.CreateDirectory(folder);
        await EchoAsync(Connect($"{folder}/s.sock"));
        Assert.Null(listener.LastError);
    }

    [Fact]
    public async Task An_endpoint_that_does_not_listen_is_refused()
    {
        await using var memory = new InMemoryPair();
        var error = Assert.Throws<ChannelException>(() => new ChannelListener(PeerRole.Guest, memory.Guest, _services, 1));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }

        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }

    public void Dispose()
    {
        _hanging.Dispose();
        _cancelled.Dispose();
    }

    private static async Task EchoAsync(Channel client) => await client.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);

    private static async Task HangAsync(Channel client) => await client.CallAsync(s_hang, new Empty(), cancellationToken: ChannelPair.Soon);

    private static async Task UntilAsync(Func<bool> isSo)
    {
        var soon = ChannelPair.Soon;
        while (!isSo())
        {
            await Task.Delay(1, soon);
        }
    }

    private void Listen(int maxChannels, Action<Channel>? prepare = null)
    {
        _listener = new ChannelListener(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{Path}"), _services, maxChannels, Fast, prepare);
        _listener.Start();
        Assert.Null(_listener.LastError);
    }

    private Channel Connect(string? path = null)
    {
        var client = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix://{path ?? Path}"), new ServiceRegistry(), Fast);
        _clients.Add(client);
        client.Start();
        return client;
    }
}
