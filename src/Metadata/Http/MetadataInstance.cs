using System.Collections.ObjectModel;
using System.Net.Sockets;
using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace ChannelSdk.Metadata.Http;

/// <summary>One instance at the metadata server. The listener that accepted a connection tells which instance asks, and nothing in the request.</summary>
public sealed class MetadataInstance : IAsyncDisposable
{
    private const int MaxDeliveryCharacters = 32 * 1024;

    private readonly IMetadataStore _store;
    private readonly InstanceConnections _connections;
    private readonly Action<MetadataInstance> _detached;
    private readonly Lock _gate = new();
    private readonly EventHistory<SecretDelivery> _deliveries;
    private readonly FailureReports _failures;
    private readonly TimeProvider _time;
    private ResourceTree? _tree;
    private byte[]? _password;

    internal MetadataInstance(string name, IMetadataStore store, MetadataServerOptions options, ConnectionHub hub, SocketConnectionContextFactory sockets, Action<MetadataInstance> detached)
    {
        (Name, _store, _detached, _time) = (name, store, detached, options.Time);
        _connections = new InstanceConnections(this, hub, sockets, options.ConnectionsPerInstance);
        Tokens = new SessionTokens(options.Time);
        Budget = new RequestBudget(options);
        Pipe = new MetadataPipe(options.PipeBytes);
        Progress = new ProgressLog(options.ProgressHistory);
        _deliveries = new EventHistory<SecretDelivery>(options.ProgressHistory, MaxDeliveryCharacters, d => d.Parameters.Sum(p => p.Length));
        _failures = new FailureReports(name, options);
    }

    /// <summary>The manager's name for it, by which the store is asked.</summary>
    public string Name { get; }

    /// <summary>The other end of the guest's <c>read</c> and <c>write</c>.</summary>
    public MetadataPipe Pipe { get; }

    /// <summary>What the guest has told of its boot or install.</summary>
    public ProgressLog Progress { get; }

    /// <summary>Connections that are open now.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>What it has done since it was attached.</summary>
    public MetadataCounters Counters => Count.Snapshot();

    /// <summary>
    /// What the guest posted to OpenStack's <c>password</c>, at most 1020 bytes, as cloudbase-init does: the administrator's
    /// password, encrypted with the instance's first public key. Empty: nothing yet. It is told as progress (origin
    /// "openstack", name "password"), and a second one is refused until <see cref="ClearPostedPassword"/>.
    /// </summary>
    public ReadOnlyMemory<byte> PostedPassword => Volatile.Read(ref _password) ?? ReadOnlyMemory<byte>.Empty;

    /// <summary>Forgets the posted password, so that the guest may post another.</summary>
    public void ClearPostedPassword() => Volatile.Write(ref _password, null);

    /// <summary>
    /// Deliveries of secrets with <see cref="SecretAccess.Once"/> after a cursor, old ones first, and then each as it ends,
    /// until the instance is detached. As many are kept as of progress.
    /// </summary>
    /// <param name="after">Cursor of the last one that the reader has; 0: all that are kept.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<SecretDelivery> ReadSecretDeliveriesAsync(long after = 0, CancellationToken cancellationToken = default) =>
        _deliveries.ReadAsync(after, cancellationToken);

    internal RequestCount Count { get; } = new();

    internal SessionTokens Tokens { get; }

    internal RequestBudget Budget { get; }

    internal OnceSecrets Once { get; } = new();

    /// <summary>The answers of the present metadata; null if it has none.</summary>
    internal ResourceTree? Tree
    {
        get
        {
            var snapshot = _store.Find(Name);
            var tree = Volatile.Read(ref _tree);
            return ReferenceEquals(snapshot, tree?.Snapshot) ? tree : Rebuild(snapshot);
        }
    }

    /// <summary>Serves what connects to a listening or bound stream socket, for instance one that was made in a network namespace. The socket belongs to this from now on.</summary>
    /// <exception cref="SocketException">It cannot listen.</exception>
    public void AddListener(Socket listener)
    {
        ArgumentNullException.ThrowIfNull(listener);
        // Again if it listens already: then it sets the backlog.
        listener.Listen(512);
        _connections.Start(listener);
    }

    /// <summary>Serves what connects to a Unix socket, which is made here with mode 0600 and takes the place of a stale one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointBusy"/>, <see cref="ChannelError.EndpointDenied"/> or <see cref="ChannelError.TransportFailed"/>: it cannot listen there.</exception>
    public void ListenUnix(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        _connections.Start(UnixListenSocket.Open(path));
    }

    /// <summary>
    /// Serves HTTP over a duplex stream, for instance one of a channel that the agent relays. Waits for a free
    /// connection of the instance, and completes when the connection has ended; the stream is disposed of then.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the instance detached, before there was a free connection.</exception>
    public Task AcceptAsync(Stream stream, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return _connections.ServeAsync(stream, cancellationToken);
    }

    /// <summary>Detaches: listeners are closed, connections cut, readers of <see cref="Pipe"/> and <see cref="Progress"/> ended. The metadata stays in the store.</summary>
    public async ValueTask DisposeAsync()
    {
        _detached(this);
        await _connections.DisposeAsync().ConfigureAwait(false);
        Pipe.Close();
        Progress.Close();
        _deliveries.Close();
    }

    internal Task RunAsync(ConnectionDelegate next, ConnectionContext connection) => _connections.RunAsync(next, connection);

    internal Task WaitChangeAsync(ResourceTree? known, CancellationToken cancellationToken) => _store.WaitChangeAsync(Name, known?.Snapshot, cancellationToken);

    /// <summary>Keeps the guest's first password; false if there is one already.</summary>
    internal bool TryPostPassword(byte[] password)
    {
        if (Interlocked.CompareExchange(ref _password, password, null) is not null)
        {
            return false;
        }

        Progress.Add(new ProgressEvent(0, _time.GetUtcNow(), null, "openstack", "password", "", ProgressPhase.Finish, ProgressResult.Success, null, ReadOnlyDictionary<string, string>.Empty));
        return true;
    }

    /// <summary>Counts an answer that failed, and tells the host why.</summary>
    internal void Fail(string path, Exception cause)
    {
        Count.Failure();
        _failures.Add(path, cause);
    }

    internal void Tell(IReadOnlyList<string> secrets, SecretOutcome outcome) =>
        _deliveries.Add(cursor => new SecretDelivery(cursor, _time.GetUtcNow(), secrets, outcome));

    private ResourceTree? Rebuild(MetadataSnapshot? snapshot)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(snapshot, _tree?.Snapshot))
            {
                _tree = snapshot is null ? null : new ResourceTree(snapshot);
            }

            return _tree;
        }
    }
}
