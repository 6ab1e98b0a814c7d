using System.Text.Json;
using System.Text.Json.Serialization;
using ChannelSdk.Metadata.Guest;

namespace ChannelSdk.Install.Events;

/// <summary>
/// The events of one operation: a bounded history that any number of watchers follow, each by its own cursor, and a file of
/// JSON lines (mode 0600) from which other processes follow it.
/// </summary>
public sealed class InstallEventLog
{
    private const int MaxEvents = 4096;
    private const int MaxCharacters = 1 << 20;
    private const long MaxFile = 16 << 20;

    private readonly EventHistory<InstallEvent> _history;
    private readonly TimeProvider _time;
    private readonly FileStream? _file;
    private readonly Lock _gate = new();

    internal InstallEventLog(TimeProvider time, FileStream? file = null, long last = 0) =>
        (_time, _file, _history) = (time, file, new EventHistory<InstallEvent>(MaxEvents, MaxCharacters, CharactersOf, last));

    /// <summary>The cursor of the newest event; 0: there was none.</summary>
    public long LastCursor => _history.LastCursor;

    /// <summary>
    /// Events after a cursor, old ones first, and then each as it comes; ends after the <see cref="ResultEvent"/>. A first
    /// cursor that is more than one above the asked one says that older events were dropped.
    /// </summary>
    /// <param name="after">Cursor of the last event that the watcher has; 0: all that are kept.</param>
    /// <param name="cancellationToken">Ends the watching.</param>
    public IAsyncEnumerable<InstallEvent> ReadAsync(long after = 0, CancellationToken cancellationToken = default) => _history.ReadAsync(after, cancellationToken);

    internal InstallEvent Add(InstallEvent next)
    {
        lock (_gate)
        {
            var added = _history.Add(cursor => next with { Cursor = cursor, At = _time.GetUtcNow() });
            // The end is always written, so that followers of the file learn of it.
            if (_file is not null && (_file.Length < MaxFile || added is ResultEvent))
            {
                Write(_file, added);
            }

            return added;
        }
    }

    internal void Close()
    {
        lock (_gate)
        {
            _history.Close();
            _file?.Dispose();
        }
    }

    private static void Write(FileStream file, InstallEvent next)
    {
        try
        {
            file.Write([.. JsonSerializer.SerializeToUtf8Bytes(next, InstallEventJson.Default.InstallEvent), (byte)'\n']);
            file.Flush();
        }
        catch (IOException)
        {
            // A full disk ends no operation; followers within this process still see the event.
        }
    }

    private static int CharactersOf(InstallEvent e) => 32 + e switch
    {
        ProgressMadeEvent progress => progress.Text.Length + progress.Steps.Sum(s => s.Length),
        LogEvent log => log.Text.Length,
        OutputEvent output => output.Text.Length,
        HalfResultEvent half => half.Text.Length + half.Content.Length,
        ResultEvent result => result.Reason.Length,
        PhaseEvent phase => phase.Text.Length,
        _ => 0,
    };
}

/// <summary>Serialization made at build time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(InstallEvent))]
internal sealed partial class InstallEventJson : JsonSerializerContext
{
}
