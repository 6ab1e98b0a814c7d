using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.InMemory;

/// <summary>
/// Two endpoints in one process that lead to each other: each open on one side meets one on the other, and the two
/// get the ends of a new link. For tests, and for a host and agent in the same process.
/// </summary>
public sealed class InMemoryPair : IAsyncDisposable
{
    /// <summary>The default bound of the bytes under way in each direction.</summary>
    public const int DefaultCapacity = 256 * 1024;

    private readonly Lock _gate = new();
    private readonly Side _guest;
    private readonly Side _host;
    private readonly int _capacity;

    /// <summary>Makes a pair.</summary>
    /// <param name="capacity">The bytes that may be under way in each direction, 1 to 1 GiB; a sender waits beyond.</param>
    /// <param name="name">The pair's name in URIs and identities.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is out of range.</exception>
    public InMemoryPair(int capacity = DefaultCapacity, string name = "pair")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1 << 30);
        _capacity = capacity;
        _guest = new Side(this, $"{name}/guest");
        _host = new Side(this, $"{name}/host");
    }

    /// <summary>The endpoint for the guest's side, which leads to the host.</summary>
    public ITransportEndpoint Guest => _guest;

    /// <summary>The endpoint for the host's side, which leads to the guest.</summary>
    public ITransportEndpoint Host => _host;

    /// <summary>Disposes of both endpoints; waiting opens fail, links live on.</summary>
    public async ValueTask DisposeAsync()
    {
        await _guest.DisposeAsync().ConfigureAwait(false);
        await _host.DisposeAsync().ConfigureAwait(false);
    }

    private ValueTask<ITransportLink> Open(Side side, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ITransportLink>(cancellationToken);
        }

        var other = ReferenceEquals(side, _guest) ? _host : _guest;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(side.Disposed, side);
            if (side.Waiter is { Task.IsCompleted: false })
            {
                throw new InvalidOperationException($"{side.Uri} is being opened already");
            }

            var mine = new MemoryPipe(_capacity);
            var theirs = new MemoryPipe(_capacity);
            // A waiter that was cancelled in this moment refuses the link.
            if (other.Waiter?.TrySetResult(new InMemoryLink(theirs, mine, Identity(side))) == true)
            {
                other.Waiter = null;
                return new ValueTask<ITransportLink>(new InMemoryLink(mine, theirs, Identity(other)));
            }

            side.Waiter = new TaskCompletionSource<ITransportLink>(TaskCreationOptions.RunContinuationsAsynchronously);
            return Wait(side.Waiter, cancellationToken);
        }
    }

    private static PeerIdentity Identity(Side side) => new("memory", side.Name);

    private static async ValueTask<ITransportLink> Wait(
        TaskCompletionSource<ITransportLink> waiter, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((TaskCompletionSource<ITransportLink>)state!).TrySetCanceled(token), waiter);
        return await waiter.Task.ConfigureAwait(false);
    }

    private sealed class Side(InMemoryPair pair, string name) : ITransportEndpoint
    {
        internal string Name => name;

        internal TaskCompletionSource<ITransportLink>? Waiter { get; set; }

        internal bool Disposed { get; private set; }

        public string Uri => $"memory://{name}";

        public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) =>
            pair.Open(this, cancellationToken);

        public ValueTask DisposeAsync()
        {
            lock (pair._gate)
            {
                Disposed = true;
                Waiter?.TrySetException(new ChannelException(
                    ChannelError.TransportFailed, ErrorClass.Refused, $"{Uri} was disposed of"));
                Waiter = null;
            }

            return ValueTask.CompletedTask;
        }
    }
}
