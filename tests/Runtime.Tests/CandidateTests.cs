using System.Net.Sockets;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf.WellKnownTypes;
using Xunit;

namespace ChannelSdk.Runtime.Tests;

/// <summary>On a listening endpoint a connection counts once its handshake has begun.</summary>
public sealed class CandidateTests
{
    [Fact]
    public async Task Silent_connections_neither_end_a_link_nor_hold_the_endpoint()
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        var path = $"{folder.FullName}/socket";
        var host = TransportEndpoints.Create($"unix-listen://{path}");
        await using (var pair = new ChannelPair(TransportEndpoints.Create($"unix://{path}"), host))
        {
            await pair.Host.WaitReadyAsync(ChannelPair.Soon);
            var session = pair.Host.Status.SessionId;
            var resumes = pair.Host.Status.Resumes;
            var silent = Enumerable.Range(0, 8).Select(_ => Connect(path)).ToList();
            // More than may be candidates: the oldest are dropped.
            foreach (var dropped in silent.Take(4))
            {
                Assert.Equal(0, await dropped.ReceiveAsync(new byte[1]).WaitAsync(ChannelPair.Soon));
            }

            await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
            Assert.Equal((session, resumes), (pair.Host.Status.SessionId, pair.Host.Status.Resumes));

            // The agent comes back while they are there.
            pair.Guest.DropLink("test");
            await pair.Host.CallAsync(ChannelPair.Echo, new BytesValue(), cancellationToken: ChannelPair.Soon);
            Assert.Equal(session, pair.Host.Status.SessionId);
            silent.ForEach(static socket => socket.Dispose());
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_silent_connection_is_ended_after_its_time()
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        var path = $"{folder.FullName}/socket";
        await using (var host = new Channel(PeerRole.Host, TransportEndpoints.Create($"unix-listen://{path}"), new ServiceRegistry(),
            new ChannelOptions { CandidateTime = TimeSpan.FromMilliseconds(200) }))
        {
            host.Start();
            using var silent = await RawPeer.ConnectAsync(path);
            Assert.Equal(0, await silent.ReceiveAsync(new byte[1]).WaitAsync(ChannelPair.Soon));
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_failure_beside_a_link_that_is_up_keeps_no_newer_link_away()
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        var path = $"{folder.FullName}/socket";
        var host = new RefusingEndpoint((IListeningEndpoint)TransportEndpoints.Create($"unix-listen://{path}"));
        await using (var pair = new ChannelPair(TransportEndpoints.Create($"unix://{path}"), host))
        {
            await pair.Host.WaitReadyAsync(ChannelPair.Soon);
            var session = pair.Host.Status.SessionId;
            host.Refuse();
            await using var newer = pair.NewGuest(TransportEndpoints.Create($"unix://{path}"));
            newer.Start();
            await newer.WaitReadyAsync(ChannelPair.Soon);
            Assert.NotEqual(session, newer.Status.SessionId);
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_candidate_whose_transport_throws_at_its_end_takes_nothing_with_it()
    {
        var folder = Directory.CreateTempSubdirectory("channel-");
        var path = $"{folder.FullName}/socket";
        var endpoint = new ThrowingListener((IListeningEndpoint)TransportEndpoints.Create($"unix-listen://{path}"));
        await using (var host = new Channel(PeerRole.Host, endpoint, new ServiceRegistry(), new ChannelOptions { CandidateTime = TimeSpan.FromMilliseconds(100) }))
        await using (var guest = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix://{path}"), new ServiceRegistry()))
        {
            host.Start();
            await endpoint.FirstDisposed.WaitAsync(ChannelPair.Soon);
            guest.Start();
            await host.WaitReadyAsync(ChannelPair.Soon);
        }

        folder.Delete(recursive: true);
    }

    /// <summary>An endpoint that fails when a test says so, as one does that refuses a stranger.</summary>
    private sealed class RefusingEndpoint(IListeningEndpoint inner) : IListeningEndpoint
    {
        private readonly TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Task<ITransportLink>? _opening;

        public string Uri => inner.Uri;

        public bool HasCandidates => true;

        public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
        {
            if (_opening is null)
            {
                _opening = inner.OpenAsync(cancellationToken).AsTask();
                if (await Task.WhenAny(_opening, _refused.Task) != _opening)
                {
                    throw new ChannelException(ChannelError.EndpointDenied, ErrorClass.Retry, "a stranger was refused");
                }
            }

            var opening = _opening;
            _opening = null;
            return await opening;
        }

        public void Refuse() => _refused.TrySetResult();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }
}
