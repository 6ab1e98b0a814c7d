using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Channels;

/// <summary>Hands events to any number of watchers, each with its own bounded backlog.</summary>
internal sealed class EventHub(int backlog, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<Watcher> _watchers = [];
    private ChannelEvent? _endpointFailure;
    private long _dropped;
    private bool _isComplete;

    /// <summary>Events that watchers lost.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public void Publish(ChannelEventKind kind, ChannelError error, string text, Heartbeat? heartbeat = null)
    {
        lock (_gate)
        {
            var next = new ChannelEvent(kind, time.GetUtcNow(), heartbeat, error, text);
            if (kind == ChannelEventKind.EndpointFailed)
            {
                if (_endpointFailure?.Text == text)
                {
                    // Told once, however often it is tried.
                    return;
                }

                _endpointFailure = next;
            }

            foreach (var watcher in _watchers)
            {
                watcher.Add(next);
            }
        }
    }

    /// <summary>The endpoint could be opened.</summary>
    public void ClearEndpointFailure()
    {
        lock (_gate)
        {
            _endpointFailure = null;
        }
    }

    /// <summary>Ends every watcher after its queued events.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            foreach (var watcher in _watchers)
            {
                watcher.Queue.Writer.TryComplete();
            }
        }
    }

    /// <summary>Events from this call on, not only from the first read on.</summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken)
    {
        var watcher = new Watcher(backlog, this);
        lock (_gate)
        {
            if (_endpointFailure is not null)
            {
                watcher.Add(_endpointFailure);
            }

            if (_isComplete)
            {
                watcher.Queue.Writer.TryComplete();
            }
            else
            {
                _watchers.Add(watcher);
            }
        }

        return ReadAsync(watcher, cancellationToken);
    }

    private async IAsyncEnumerable<ChannelEvent> ReadAsync(Watcher watcher, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var next in watcher.Queue.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                if (watcher.TakeDropped() is > 0 and var count)
                {
                    yield return new ChannelEvent(ChannelEventKind.Dropped, next.At, null, ChannelError.None, $"{count} events were dropped before this one");
                }

                yield return next;
            }
        }
        finally
        {
            lock (_gate)
            {
                _watchers.Remove(watcher);
            }
        }
    }

    private sealed class Watcher
    {
        private int _dropped;

        public Watcher(int backlog, EventHub hub) => Queue = System.Threading.Channels.Channel.CreateBounded<ChannelEvent>(
            new BoundedChannelOptions(backlog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
            _ =>
            {
                Interlocked.Increment(ref _dropped);
                Interlocked.Increment(ref hub._dropped);
            });

        public Channel<ChannelEvent> Queue { get; }

        public void Add(ChannelEvent next) => Queue.Writer.TryWrite(next);

        public int TakeDropped() => Interlocked.Exchange(ref _dropped, 0);
    }
}
