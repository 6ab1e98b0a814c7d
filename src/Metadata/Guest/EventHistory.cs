using System.Runtime.CompilerServices;

namespace ChannelSdk.Metadata.Guest;

/// <summary>A bounded history of events that any number of readers follow, each by its own cursor.</summary>
/// <typeparam name="T">An event.</typeparam>
/// <param name="most">Events that are kept.</param>
/// <param name="mostCharacters">Characters of text that are kept in all, so that long texts shorten the history.</param>
/// <param name="charactersOf">How many an event has.</param>
/// <param name="last">Cursor of the last event that was before these.</param>
public sealed class EventHistory<T>(int most, int mostCharacters, Func<T, int> charactersOf, long last = 0)
{
    private readonly Func<T, int> _charactersOf = charactersOf ?? throw new ArgumentNullException(nameof(charactersOf));
    private readonly Lock _gate = new();
    private readonly Queue<(long Cursor, T Event)> _events = new();
    private TaskCompletionSource _changed = NewSignal();
    private long _last = last;
    private int _characters;
    private bool _isClosed;

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

    /// <summary>Events after a cursor, old ones first, and then each as it comes, until the history is closed.</summary>
    public async IAsyncEnumerable<T> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            (long Cursor, T Event)[] next;
            Task changed;
            bool isClosed;
            lock (_gate)
            {
                next = [.. _events.Where(e => e.Cursor > after)];
                (changed, isClosed) = (_changed.Task, _isClosed);
            }

            foreach (var (cursor, one) in next)
            {
                yield return one;
                after = cursor;
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

    /// <summary>Takes an event in.</summary>
    /// <param name="make">Makes it of its cursor.</param>
    public T Add(Func<long, T> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        lock (_gate)
        {
            var next = make(++_last);
            _events.Enqueue((_last, next));
            _characters += _charactersOf(next);
            while (_events.Count > most || (_characters > mostCharacters && _events.Count > 1))
            {
                _characters -= _charactersOf(_events.Dequeue().Event);
            }

            Signal();
            return next;
        }
    }

    /// <summary>Nothing more will come: readers end after what is there.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
            Signal();
        }
    }

    private void Signal()
    {
        _changed.SetResult();
        _changed = NewSignal();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
