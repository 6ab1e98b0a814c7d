using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
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

    public async ValueTask DisposeAsync()
    {
        await Channel.DisposeAsync();
        _folder.Dispose();
    }
}
