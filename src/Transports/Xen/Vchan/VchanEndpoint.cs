using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Store;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// What both sides of a vchan do: keep a connection to xenstore, and end a link whose keys or whose other domain vanish, of which
/// the event channel tells nothing.
/// </summary>
/// <param name="uri">The endpoint's URI.</param>
/// <param name="address">The other domain and the name.</param>
/// <param name="devices">The domain's devices.</param>
internal abstract class VchanEndpoint(string uri, VchanAddress address, IXenDevices devices) : ITransportEndpoint
{
    /// <summary>Between two looks at xenstore, so that a domain that changes its keys in a loop costs little.</summary>
    private protected static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>xenstored fires it when a domain dies; only a privileged domain may watch it.</summary>
    private const string DomainsEnd = "@releaseDomain";

    private readonly CancellationTokenSource _stopping = new();
    private XenStore? _store;
    private bool _seesDomains;
    private IVchanHold? _link;
    private Task _guard = Task.CompletedTask;

    public string Uri => uri;

    private protected VchanAddress Address => address;

    private protected IXenDevices Devices => devices;

    /// <summary>The connection to xenstore, from an open to the end of its link.</summary>
    private protected XenStore Store => _store!;

    /// <summary>Where the keys are; the connection watches it.</summary>
    private protected string Path { get; private set; } = "";

    /// <summary>The peer's identity, by construction: Xen lets no other domain map the pages or bind the port.</summary>
    private protected abstract PeerIdentity Peer { get; }

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        cancellationToken.ThrowIfCancellationRequested();
        if (_link is { IsClosed: false })
        {
            throw new InvalidOperationException("the link before must be disposed of first");
        }
        // It takes the keys of the link before away.
        await _guard.WaitAsync(cancellationToken).ConfigureAwait(false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        try
        {
            _link = await FindAndConnectAsync(either.Token).ConfigureAwait(false);
            _guard = GuardAsync(_link);
            return _link;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"opening {uri} ended: the endpoint was disposed of");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        EndLink();
        await _guard.ConfigureAwait(false);
        _store?.Dispose();
    }

    /// <summary>Where the keys are, in this domain's view.</summary>
    private protected abstract ValueTask<string> FindPathAsync(CancellationToken cancellationToken);

    /// <summary>Waits for the other side.</summary>
    private protected abstract Task<IVchanHold> ConnectAsync(CancellationToken cancellationToken);

    /// <summary>Before a link is watched.</summary>
    private protected virtual Task BeginAsync(IVchanHold link, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends what is left of the link before.</summary>
    private protected void EndLink() => _link?.Abort();

    /// <summary>A link has ended.</summary>
    private protected virtual Task ForgetAsync() => Task.CompletedTask;

    /// <summary>This domain's id; a restored or migrated one has another.</summary>
    private protected async Task<uint> OwnDomainAsync(CancellationToken cancellationToken)
    {
        var text = await Store.ReadAsync("domid", cancellationToken).ConfigureAwait(false);
        return uint.TryParse(text, out var own) ? own : throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
            "xenstore does not tell this domain's id: in the host's domain xen-init-dom0 writes it");
    }

    /// <summary>The keys that are there; null if one is missing or invalid.</summary>
    private protected async Task<VchanKeys?> ReadKeysAsync(CancellationToken cancellationToken)
    {
        var ring = await ReadRingAsync(cancellationToken).ConfigureAwait(false);
        var port = ring is null ? null : await Store.ReadAsync($"{Path}/{VchanKeys.EventKey}", cancellationToken).ConfigureAwait(false);
        return port is null ? null : VchanKeys.Parse(ring!, port);
    }

    /// <summary>Whether these keys are still there. One tells of both, as a server that replaces them removes both before.</summary>
    private protected async Task<bool> AreThereAsync(VchanKeys keys, CancellationToken cancellationToken) =>
        VchanKeys.IsRing(await ReadRingAsync(cancellationToken).ConfigureAwait(false), keys);

    /// <summary>Whether a channel with these keys is still there. Without the right to ask for domains only the keys count.</summary>
    private async Task<bool> IsThereAsync(VchanKeys keys, CancellationToken cancellationToken) =>
        await AreThereAsync(keys, cancellationToken).ConfigureAwait(false)
        && !(_seesDomains && await IsIntroducedAsync(address.Domain, cancellationToken).ConfigureAwait(false) == "F");

    private Task<string?> ReadRingAsync(CancellationToken cancellationToken) => Store.ReadAsync($"{Path}/{VchanKeys.RingKey}", cancellationToken);

    private async Task<string?> IsIntroducedAsync(uint domain, CancellationToken cancellationToken) =>
        (await Store.CallAsync(StoreOperation.IsDomainIntroduced, $"{domain}\0", cancellationToken).ConfigureAwait(false))?.TrimEnd('\0');

    /// <summary>Opens a link; tries again if the connection that was kept since the open before proves to be dead.</summary>
    private async Task<IVchanHold> FindAndConnectAsync(CancellationToken cancellationToken)
    {
        var isKept = _store is { HasFailed: false };
        try
        {
            await FindPlaceAsync(cancellationToken).ConfigureAwait(false);
            return await ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException) when (isKept && _store is { HasFailed: true })
        {
            await FindPlaceAsync(cancellationToken).ConfigureAwait(false);
            return await ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sees to it that there is a connection whose watches are on the right path.</summary>
    private async Task FindPlaceAsync(CancellationToken cancellationToken)
    {
        if (_store is { HasFailed: true })
        {
            DropStore();
        }

        _store ??= new XenStore(devices.OpenStore());
        var path = await FindPathAsync(cancellationToken).ConfigureAwait(false);
        if (Path == path)
        {
            return;
        }

        if (Path.Length > 0)
        {
            // Watches go with their connection.
            DropStore();
            _store = new XenStore(devices.OpenStore());
        }

        await _store.WatchAsync(path, cancellationToken).ConfigureAwait(false);
        try
        {
            await _store.WatchAsync(DomainsEnd, cancellationToken).ConfigureAwait(false);
            _seesDomains = await IsIntroducedAsync(0, cancellationToken).ConfigureAwait(false) == "T";
        }
        catch (ChannelException) when (!_store.HasFailed)
        {
            _seesDomains = false;
        }

        Path = path;
    }

    private void DropStore()
    {
        _store?.Dispose();
        (_store, Path) = (null, "");
    }

    private async Task GuardAsync(IVchanHold link)
    {
        try
        {
            await BeginAsync(link, _stopping.Token).ConfigureAwait(false);
            while (!link.IsClosed)
            {
                var changed = Store.Changed;
                if (!await IsThereAsync(link.Keys, _stopping.Token).ConfigureAwait(false))
                {
                    link.LosePeer();
                    break;
                }

                await Task.WhenAny(changed, link.Closed).ConfigureAwait(false);
                await Task.WhenAny(Task.Delay(Pause), link.Closed).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            // Without xenstore the link goes on, by what the other side does.
        }

        await link.Closed.ConfigureAwait(false);
        try
        {
            await ForgetAsync().ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // The next open makes its own connection.
        }
    }
}
