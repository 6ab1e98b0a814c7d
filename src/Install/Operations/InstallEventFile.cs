using System.Runtime.CompilerServices;
using System.Text.Json;
using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Operations;

/// <summary>The events of an operation, followed in their file.</summary>
internal sealed class InstallEventFile(OperationFolder folder, TimeProvider time)
{
    private const int MaxLine = 256 << 10;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);

    /// <summary>Events after a cursor, until the last one, or until the process that runs the operation is no more.</summary>
    public async IAsyncEnumerable<InstallEvent> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var file = new FileStream(folder.Events, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var rest = new MemoryStream();
        var buffer = new byte[64 << 10];
        // Asked before the reading: what was written before the end is still read after it.
        for (var isLast = false; ;)
        {
            var count = await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                if (isLast)
                {
                    yield break;
                }

                isLast = IsOver();
                if (!isLast)
                {
                    await Task.Delay(s_look, time, cancellationToken).ConfigureAwait(false);
                }

                continue;
            }

            rest.Write(buffer, 0, count);
            foreach (var next in ReadLines(rest))
            {
                if (next.Cursor > after)
                {
                    yield return next;
                }

                if (next is ResultEvent)
                {
                    yield break;
                }
            }
        }
    }

    /// <summary>Writes the last event of an operation whose process did not.</summary>
    public static void AppendEnd(OperationFolder folder, OperationJournal journal)
    {
        long last = 0;
        if (File.Exists(folder.Events))
        {
            using var whole = new MemoryStream();
            whole.Write(File.ReadAllBytes(folder.Events));
            last = ReadLines(whole).Select(e => e.Cursor).LastOrDefault();
        }

        // The last line may have been cut.
        var file = OperationFolder.OpenPrivate(folder.Events);
        file.Write("\n"u8);
        var log = new InstallEventLog(TimeProvider.System, file, last);
        var end = log.Add(new ResultEvent { Outcome = journal.Outcome!.Value, Reason = journal.Reason });
        log.Close();
        using var text = OperationFolder.OpenPrivate(folder.Log);
        text.Write(System.Text.Encoding.UTF8.GetBytes("\n" + InstallEventText.Line(end) + "\n"));
    }

    private bool IsOver()
    {
        try
        {
            var journal = OperationJournal.Read(folder.Journal);
            return journal.Outcome is not null || !journal.Owner.IsRunning;
        }
        catch (ChannelException)
        {
            return true;
        }
    }

    private static List<InstallEvent> ReadLines(MemoryStream rest)
    {
        var result = new List<InstallEvent>();
        var bytes = rest.GetBuffer().AsSpan(0, (int)rest.Length);
        var done = 0;
        while (bytes[done..].IndexOf((byte)'\n') is >= 0 and var length)
        {
            if (length > 0 && Parse(bytes.Slice(done, length)) is { } next)
            {
                result.Add(next);
            }

            done += length + 1;
        }

        var left = bytes[done..].ToArray();
        rest.SetLength(0);
        if (left.Length <= MaxLine)
        {
            rest.Write(left);
        }

        return result;
    }

    // A line that a crash has cut is no event.
    private static InstallEvent? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, InstallEventJson.Default.InstallEvent);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return null;
        }
    }
}
