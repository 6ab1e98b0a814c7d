namespace ChannelSdk.Metadata.Guest;

/// <summary>What an instance has told of its progress: a bounded history that any number of readers follow, each by its own cursor.</summary>
public sealed class ProgressLog
{
    private const int MaxCharacters = 128 * 1024;

    private readonly EventHistory<ProgressEvent> _events;

    internal ProgressLog(int history) => _events = new EventHistory<ProgressEvent>(history, MaxCharacters, CharactersOf);

    /// <summary>The cursor of the newest event; 0: there was none.</summary>
    public long LastCursor => _events.LastCursor;

    /// <summary>
    /// Events after a cursor, old ones first, and then each as it comes; ends when the instance is detached. A first
    /// cursor that is more than one above the asked one says that older events were dropped.
    /// </summary>
    /// <param name="after">Cursor of the last event that the reader has; 0: all that are kept.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<ProgressEvent> ReadAsync(long after = 0, CancellationToken cancellationToken = default) => _events.ReadAsync(after, cancellationToken);

    /// <summary>Takes an event in; its cursor is given here.</summary>
    internal void Add(ProgressEvent next) => _events.Add(cursor => next with { Cursor = cursor });

    internal void Close() => _events.Close();

    private static int CharactersOf(ProgressEvent e) =>
        e.Origin.Length + e.Name.Length + e.Description.Length + e.Details.Sum(d => d.Key.Length + d.Value.Length);
}
