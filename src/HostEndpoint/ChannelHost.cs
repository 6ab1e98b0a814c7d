using System.Collections.Concurrent;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host;

/// <summary>The instances that this process talks to, each over its own channel that knows nothing of the others.</summary>
public sealed class ChannelHost : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Instance> _instances = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly ChannelHostOptions _options;
    private readonly QuietLogger _logger;
    private readonly HostMetrics _metrics;
    private volatile bool _isDisposed;

    /// <summary>Makes a host without instances.</summary>
    /// <param name="options">What its instances share; null for the defaults.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: an option that is not allowed.</exception>
    public ChannelHost(ChannelHostOptions? options = null)
    {
        _options = options ?? new ChannelHostOptions();
        _options.Validate();
        _logger = new QuietLogger(_options.LoggerFactory.CreateLogger(HostLog.Category));
        _metrics = new HostMetrics(_options.MeterFactory, () => _instances.Values.Select(static instance => instance.Figures));
    }

    /// <summary>The attached instances.</summary>
    public IReadOnlyCollection<Instance> Instances => [.. _instances.Values];

    /// <summary>Begins to talk to an instance; it need not be up yet.</summary>
    /// <param name="name">As <see cref="InstanceName"/> allows: 1 to 253 characters of a-z, 0-9, dot and hyphen.</param>
    /// <param name="endpointUri">
    /// Where its channel is, of one of <see cref="ChannelHostOptions.Schemes"/>: for instance <c>virtio-serial:///run/vm1.sock</c>; or
    /// <c>qga:///run/vm1.qga</c> for a guest that has only the QEMU guest agent.
    /// </param>
    /// <param name="options">Bounds and times; null for <see cref="ChannelHostOptions.DefaultInstance"/>.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a name or option that is not allowed, or already in use; <see cref="ChannelError.BadEndpointUri"/>.</exception>
    /// <exception cref="ObjectDisposedException">This was disposed of.</exception>
    public Instance Attach(string name, string endpointUri, InstanceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(endpointUri);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return Attach(name, _options.Schemes.Create(endpointUri), options);
    }

    /// <summary>As <see cref="Attach(string, string, InstanceOptions?)"/>, over an endpoint that the instance owns from now on.</summary>
    public Instance Attach(string name, ITransportEndpoint endpoint, InstanceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(endpoint);
        InstanceName.Check(name);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_instances.ContainsKey(name))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"an instance {name} is attached already; detach it first");
            }

            if (_instances.Values.FirstOrDefault(i => i.EndpointUri == endpoint.Uri) is { } other)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{endpoint.Uri} belongs to instance {other.Name}; two instances cannot share an endpoint");
            }

            var telemetry = new InstanceTelemetry(name, _logger, _metrics, _options.TimeProvider);
            var instance = new Instance(name, endpoint, options ?? _options.DefaultInstance, _options.TimeProvider, telemetry);
            _instances[name] = instance;
            return instance;
        }
    }

    /// <summary>Ends the talk with an instance. True if it was attached.</summary>
    public async Task<bool> DetachAsync(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_instances.TryRemove(name, out var instance))
        {
            return false;
        }

        await instance.DisposeAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Detaches all, at the same time. Nothing can be attached afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isDisposed = true;
        }

        try
        {
            await Task.WhenAll(_instances.Keys.Select(DetachAsync)).ConfigureAwait(false);
        }
        finally
        {
            _metrics.Dispose();
        }
    }
}
