using System.Runtime.CompilerServices;

namespace ChannelSdk.Metadata;

/// <summary>What an instance has told of its progress: a bounded history that any number of readers follow, each by its own cursor.</summary>
public sealed class ProgressLog
{
    /// <summary>Characters of text that are kept in all, so that long texts shorten the history.</summary>
    private const int MaxCharacters = 128 * 1024;

    private readonly int _history;
    private readonly Lock _gate = new();
    private readonly Queue<ProgressEvent> _events = new();
    private TaskCompletionSource _changed = NewSignal();
    private long _last;
    private int _characters;
    private bool _isClosed;

    internal ProgressLog(int history) => _history = history;

    /// <summary>The cursor of the newest event; 0: there was none.</summary>
    public long LastCursor
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>
    /// Events after a cursor, old ones first, and then each as it comes; ends when the instance is detached. A first
    /// cursor that is more than one above the asked one says that older events were dropped.
    /// </summary>
    /// <param name="after">Cursor of the last event that the reader has; 0: all that are kept.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async IAsyncEnumerable<ProgressEvent> ReadAsync(long after = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            ProgressEvent[] next;
            Task changed;
            bool isClosed;
            lock (_gate)
            {
                next = [.. _events.Where(e => e.Cursor > after)];
                (changed, isClosed) = (_changed.Task, _isClosed);
            }

            foreach (var one in next)
            {
                yield return one;
                after = one.Cursor;
            }

            if (next.Length == 0)
            {
                if (isClosed)
                {
                    yield break;
                }

                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Takes an event in; its cursor is given here.</summary>
    internal void Add(ProgressEvent next)
    {
        lock (_gate)
        {
            _events.Enqueue(next with { Cursor = ++_last });
            _characters += CharactersOf(next);
            while (_events.Count > _history || (_characters > MaxCharacters && _events.Count > 1))
            {
                _characters -= CharactersOf(_events.Dequeue());
            }

            Signal();
        }
    }

    internal void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            Signal();
        }
    }

    private static int CharactersOf(ProgressEvent e) =>
        e.Origin.Length + e.Name.Length + e.Description.Length + e.Details.Sum(d => d.Key.Length + d.Value.Length);

    private void Signal()
    {
        _changed.SetResult();
        _changed = NewSignal();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
