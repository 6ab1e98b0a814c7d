using ChannelSdk.Channels.Links;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>
/// Serves many peers on one listening endpoint: each that connects has its own channel, made when its link comes and disposed of
/// when it goes, with what was under way on it. Nothing is kept for a peer that is not connected. Thread-safe.
/// </summary>
public sealed class ChannelListener : IAsyncDisposable
{
    private readonly PeerRole _role;
    private readonly IListeningEndpoint _endpoint;
    private readonly ServiceRegistry _services;
    private readonly ChannelOptions _options;
    private readonly Action<Channel> _prepare;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _places;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<OneLinkEndpoint, Task> _served = [];
    private Task? _accepting;
    private volatile ChannelException? _lastError;

    /// <summary>Makes a listener; <see cref="Start"/> begins to listen.</summary>
    /// <param name="role">This side.</param>
    /// <param name="endpoint">Where peers connect, one that listens; disposed of with this.</param>
    /// <param name="services">The methods that this side serves to each peer.</param>
    /// <param name="maxChannels">Peers that are served at a time, 1 to 1024. A further one is not accepted until another has gone.</param>
    /// <param name="options">Bounds and times of each channel; null for the defaults of the role.</param>
    /// <param name="prepare">Called with each channel before it is started; it returns at once. Null: there is nothing to prepare.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="ChannelException">An option is out of range, or the endpoint does not listen (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public ChannelListener(
        PeerRole role, ITransportEndpoint endpoint, ServiceRegistry services, int maxChannels, ChannelOptions? options = null,
        Action<Channel>? prepare = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(services);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxChannels, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxChannels, 1024);
        _endpoint = endpoint as IListeningEndpoint
            ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{endpoint.Uri} does not listen; many peers can connect to one that does");
        options ??= role == PeerRole.Guest ? ChannelOptions.ForGuest : new ChannelOptions();
        options.Validate();
        // A peer that says nothing leaves its place to others.
        var patience = options.CandidateTime < options.Session.HandshakeTimeout ? options.CandidateTime : options.Session.HandshakeTimeout;
        _options = options with { Session = options.Session with { HandshakeTimeout = patience } };
        (_role, _services, _prepare, _time) = (role, services, prepare ?? (static _ => { }), time ?? TimeProvider.System);
        _places = new SemaphoreSlim(maxChannels);
    }

    /// <summary>Peers that are served now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _served.Count;
            }
        }
    }

    /// <summary>Why peers cannot connect at present, or null. It is tried again.</summary>
    public ChannelException? LastError => _lastError;

    /// <summary>Listens from now on: when this returns, a peer can connect or <see cref="LastError"/> says why not.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public void Start()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            // A listening endpoint makes its socket at once, in the first call.
            _accepting = _accepting is null ? AcceptAsync() : throw new InvalidOperationException("the listener was started before");
        }
    }

    /// <summary>Ends all channels, as they are ended when they are disposed of, and the endpoint.</summary>
    public async ValueTask DisposeAsync()
    {
        Task accepting;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                return;
            }

            _stopping.Cancel();
            accepting = _accepting ?? Task.CompletedTask;
        }

        await accepting.ConfigureAwait(false);
        Task[] served;
        lock (_gate)
        {
            served = [.. _served.Values];
            foreach (var link in _served.Keys)
            {
                link.End();
            }
        }

        await Task.WhenAll(served).ConfigureAwait(false);
        await _endpoint.DisposeAsync().ConfigureAwait(false);
        _places.Dispose();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        var retry = _options.RetryMin;
        while (true)
        {
            try
            {
                await _places.WaitAsync(_stopping.Token).ConfigureAwait(false);
                if (await TryServeNextAsync().ConfigureAwait(false))
                {
                    retry = _options.RetryMin;
                    continue;
                }

                await Task.Delay(retry, _time, _stopping.Token).ConfigureAwait(false);
                retry = retry * 2 < _options.RetryMax ? retry * 2 : _options.RetryMax;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Serves the next peer in the place that was taken for it. False: it failed, and the place is free again.</summary>
    private async ValueTask<bool> TryServeNextAsync()
    {
        try
        {
            await BeginAsync(await _endpoint.OpenAsync(_stopping.Token).ConfigureAwait(false)).ConfigureAwait(false);
            _lastError = null;
            return true;
        }
        catch (Exception e)
        {
            _places.Release();
            _stopping.Token.ThrowIfCancellationRequested();
            _lastError = FaultReporter.Unexpected($"accepting on {_endpoint.Uri} failed", e);
            return false;
        }
    }

    private async ValueTask BeginAsync(ITransportLink link)
    {
        var endpoint = new OneLinkEndpoint(_endpoint.Uri, link);
        var channel = new Channel(_role, endpoint, _services, _options, _time);
        try
        {
            _prepare(channel);
        }
        catch
        {
            // With it goes the link.
            await channel.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        lock (_gate)
        {
            _served.Add(endpoint, Task.Run(() => ServeAsync(endpoint, channel)));
        }
    }

    private async Task ServeAsync(OneLinkEndpoint endpoint, Channel channel)
    {
        channel.Start();
        await endpoint.Ended.ConfigureAwait(false);
        // An exception there is an event of its channel.
        await channel.DisposeAsync().ConfigureAwait(false);
        lock (_gate)
        {
            _served.Remove(endpoint);
        }

        _places.Release();
    }
}
