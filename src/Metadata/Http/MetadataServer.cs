using System.Collections.Concurrent;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// The metadata service of all instances of a process: one Kestrel, to which each instance brings the connections of
/// its own listeners.
/// </summary>
public sealed class MetadataServer : IAsyncDisposable
{
    /// <summary>Bytes a second at which a guest must take an answer: the time that it may need grows with the answer.</summary>
    private const double AnswerRate = 256 * 1024;

    private readonly IMetadataStore _store;
    private readonly MetadataServerOptions _options;
    private readonly ConnectionHub _hub = new();
    private readonly SocketConnectionContextFactory _sockets;
    private readonly KestrelServer _kestrel;
    private readonly ConcurrentDictionary<string, MetadataInstance> _instances = new(StringComparer.Ordinal);

    private MetadataServer(IMetadataStore store, MetadataServerOptions options)
    {
        options.Validate();
        (_store, _options) = (store, options);
        // Inline: an answer is a look-up and one write, so handing it to another thread costs more than it.
        _sockets = new SocketConnectionContextFactory(new SocketConnectionFactoryOptions
        {
            UnsafePreferInlineScheduling = true,
            // 4 KiB for each idle connection, of which an instance has a bounded number, against a system call for each request.
            WaitForDataBeforeAllocatingBuffer = false,
        }, NullLogger.Instance);
        _kestrel = new KestrelServer(Options.Create(KestrelOptions(options)), _hub, NullLoggerFactory.Instance);
    }

    /// <summary>The attached instances.</summary>
    public IReadOnlyCollection<MetadataInstance> Instances => [.. _instances.Values];

    /// <summary>Starts a server over a store, which stays the caller's. It listens nowhere until an instance is attached.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: an option is out of range.</exception>
    public static async Task<MetadataServer> StartAsync(IMetadataStore store, MetadataServerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var server = new MetadataServer(store, options ?? new MetadataServerOptions());
        await server._kestrel.StartAsync(new MetadataApplication(server._options), cancellationToken).ConfigureAwait(false);
        return server;
    }

    /// <summary>
    /// Lets this process answer on the threads that wait for its sockets: one and a half to three times the requests a second.
    /// It concerns every <see cref="System.Net.Sockets.Socket"/> of the process, whose continuations must then never block, and
    /// takes effect only before the first of them is used. A value in the environment stays as it is.
    /// (.NET: DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS.)
    /// </summary>
    public static void AnswerOnSocketThreads()
    {
        const string variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
        if (Environment.GetEnvironmentVariable(variable) is null)
        {
            Environment.SetEnvironmentVariable(variable, "1");
        }
    }

    /// <summary>Begins to serve an instance; give it a listener next. It need not have metadata yet.</summary>
    /// <param name="name">As <see cref="InstanceName"/> allows: 1 to 253 characters of a-z, 0-9, dot and hyphen.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed, or attached already.</exception>
    public MetadataInstance AttachInstance(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        InstanceName.Check(name);
        var instance = new MetadataInstance(name, _store, _options, _hub, _sockets, gone => _instances.TryRemove(KeyValuePair.Create(gone.Name, gone)));
        return _instances.TryAdd(name, instance) ? instance
            : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the metadata of instance {name} is served already; detach it first");
    }

    /// <summary>Detaches all instances and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_instances.Values.Select(i => i.DisposeAsync().AsTask())).ConfigureAwait(false);

        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await _kestrel.StopAsync(soon.Token).ConfigureAwait(false);
        _kestrel.Dispose();
        _sockets.Dispose();
    }

    private KestrelServerOptions KestrelOptions(MetadataServerOptions options)
    {
        var kestrel = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowSynchronousIO = false,
            // RFC 9112, 3.2.2: with a target in absolute form the Host header is ignored. Neither tells which instance asks.
            AllowHostHeaderOverride = true,
        };
        var limits = kestrel.Limits;
        limits.MaxRequestLineSize = 4 * 1024;
        limits.MaxRequestHeadersTotalSize = 8 * 1024;
        limits.MaxRequestHeaderCount = 50;
        limits.MaxRequestBufferSize = 16 * 1024;
        limits.MaxRequestBodySize = options.WriteBytes;
        limits.RequestHeadersTimeout = options.HeadersTimeout;
        limits.KeepAliveTimeout = options.IdleTimeout;
        limits.MinRequestBodyDataRate = new MinDataRate(240, options.SlowBodyGrace);
        limits.MinResponseDataRate = new MinDataRate(AnswerRate, options.SlowBodyGrace);
        kestrel.Listen(_hub.EndPoint, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.Use(next => connection => connection.Features.Get<InstanceConnection>()!.Instance.RunAsync(next, connection));
        });
        return kestrel;
    }
}
