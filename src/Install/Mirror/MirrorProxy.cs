using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Services.Proxy;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ChannelSdk.Install.Mirror;

/// <summary>
/// The proxy of one operation: an appliance without a network fetches by it from the origins that the administrator allows, and from
/// nowhere else. Kestrel reads the requests, which come over the channel; this host listens nowhere for it.
/// </summary>
internal sealed class MirrorProxy : IAsyncDisposable
{
    /// <summary>Connections that are served at a time; further ones wait.</summary>
    public const int MaxConnections = 32;

    /// <summary>Connections that an appliance may have, those that wait among them.</summary>
    private const int MaxStreams = 2 * MaxConnections;

    private readonly MirrorTraffic _traffic;
    private readonly MirrorApplication _application;
    private readonly ConnectionHub _hub = new();
    private readonly KestrelServer _kestrel;
    private readonly SemaphoreSlim _slots = new(MaxConnections);
    private readonly CancellationTokenSource _stop = new();

    private MirrorProxy(MirrorTraffic traffic, ServerAddresses addresses, MirrorTimes times)
    {
        (_traffic, _application) = (traffic, new MirrorApplication(traffic, addresses, times));
        _kestrel = new KestrelServer(Options.Create(KestrelOptions(times)), _hub, NullLoggerFactory.Instance);
    }

    /// <summary>Starts it. It serves once its method is registered.</summary>
    public static async Task<MirrorProxy> StartAsync(MirrorTraffic traffic, ServerAddresses addresses, MirrorTimes times)
    {
        var proxy = new MirrorProxy(traffic, addresses, times);
        await proxy._kestrel.StartAsync(proxy._application, CancellationToken.None).ConfigureAwait(false);
        return proxy;
    }

    /// <summary>What a channel needs for it: room for the streams of as many connections.</summary>
    public static ChannelOptions WithRoom(ChannelOptions options)
    {
        var streams = options.Session.MaxStreams;
        return options with
        {
            Session = options.Session with { MaxStreams = new StreamClassValues(streams.Control, streams.Rpc, Math.Max(streams.Bulk, MaxStreams)) },
        };
    }

    /// <summary>Serves what the appliance's agent carries here.</summary>
    public void Serve(ServiceRegistry services) =>
        services.Stream(ProxyMethods.Connect, (_, stream, context) => ServeAsync(stream, context.CancellationToken));

    /// <summary>Cuts what is under way, and tells what was fetched.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _kestrel.StopAsync(_stop.Token).ConfigureAwait(false);
        _kestrel.Dispose();
        _application.Dispose();
        _traffic.Tell();
    }

    private async ValueTask ServeAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _slots.WaitAsync(either.Token).ConfigureAwait(false);
        try
        {
            var connection = new MirrorConnection(stream, "proxy");
            if (!await _hub.AddAsync(connection).ConfigureAwait(false))
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "the operation is over");
            }

            using var cut = either.Token.UnsafeRegister(static connection => ((ConnectionContext)connection!).Abort(), connection);
            await connection.Over.ConfigureAwait(false);
            if (!connection.HasRequest)
            {
                _traffic.FailHead();
            }
        }
        finally
        {
            _slots.Release();
        }
    }

    private KestrelServerOptions KestrelOptions(MirrorTimes times)
    {
        var kestrel = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowSynchronousIO = false,
            // What a server of old has in its headers.
            ResponseHeaderEncodingSelector = static _ => Encoding.Latin1,
        };
        var limits = kestrel.Limits;
        limits.MaxRequestLineSize = 8 << 10;
        limits.MaxRequestHeadersTotalSize = 8 << 10;
        limits.MaxRequestHeaderCount = 50;
        limits.MaxRequestBodySize = 0;
        limits.RequestHeadersTimeout = times.Head;
        limits.KeepAliveTimeout = times.Head;
        // A script may take an answer as slowly as it works on it; each write has its time.
        limits.MinResponseDataRate = null;
        kestrel.Listen(_hub.EndPoint, static listen => listen.Protocols = HttpProtocols.Http1);
        return kestrel;
    }
}
