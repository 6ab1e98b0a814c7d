using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>A guest in this process, behind a Unix socket, that says what it is told.</summary>
internal sealed class EchoGuest : IAsyncDisposable
{
    public static readonly RpcMethod<BytesValue, BytesValue> Echo = new("test.Echo", StreamClass.Rpc);
    public static readonly StreamMethod<Empty> EchoStream = new("test.EchoStream", StreamClass.Bulk);

    private readonly TestDirectory _folder = new();
    private int _calls;

    public EchoGuest(bool dials = false) : this(
        dials ? static path => ($"unix-listen://{path}", TransportEndpoints.Create($"unix://{path}")) : static path => ($"unix://{path}", TransportEndpoints.Create($"unix-listen://{path}")))
    {
    }

    /// <param name="ends">For a path of its own, where a host finds it, and its own endpoint.</param>
    public EchoGuest(Func<string, (string HostUri, ITransportEndpoint Own)> ends)
    {
        var services = new ServiceRegistry();
        services.Unary(Echo, (request, _) =>
        {
            Interlocked.Increment(ref _calls);
            return ValueTask.FromResult(request);
        });
        services.Stream(EchoStream, static async (_, stream, context) =>
        {
            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd)
                {
                    return;
                }

                await stream.WriteAsync(message.Memory, context.CancellationToken);
            }
        });
        (HostUri, var own) = ends(_folder["guest.sock"]);
        Channel = new Channel(PeerRole.Guest, own, services);
        Channel.Start();
    }

    public Channel Channel { get; }

    /// <summary>Where a host finds it.</summary>
    public string HostUri { get; }

    /// <summary>How often <see cref="Echo"/> ran.</summary>
    public int Calls => Volatile.Read(ref _calls);

    /// <summary>Calls and a stream of a host to the guest, with messages of all sizes; the stream is left open.</summary>
    public static async Task<ChannelStream> ExchangeAsync(Channel channel, CancellationToken cancellationToken)
    {
        foreach (var size in (int[])[0, 64, 70_000, 1_000_000])
        {
            var request = new BytesValue { Value = ByteString.CopyFrom(Enumerable.Range(0, size).Select(static i => (byte)i).ToArray()) };
            Assert.Equal(request, await channel.CallAsync(Echo, request, cancellationToken: cancellationToken));
        }

        var stream = await channel.OpenStreamAsync(EchoStream, new Empty(), cancellationToken: cancellationToken);
        for (var i = 1; i < 200; i++)
        {
            await stream.WriteAsync(new byte[i * 1000], cancellationToken);
            using var echo = await stream.ReadAsync(cancellationToken);
            Assert.Equal(i * 1000, echo.Memory.Length);
        }

        return stream;
    }

    public async ValueTask DisposeAsync()
    {
        await Channel.DisposeAsync();
        _folder.Dispose();
    }
}
