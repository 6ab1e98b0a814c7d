using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>
/// A stream of bytes between tools of the two halves, as it passes one side (half.proto): an empty message when the other tool has come,
/// data, an empty message behind the last of it, and the reader's end of its direction when it has taken all. So no cut or kill looks like
/// an end, and a writer knows that its data has arrived.
/// </summary>
public static class ScriptPipe
{
    /// <summary>Bytes of a message to a tool, and of what a tool sends.</summary>
    public const int PieceBytes = ScriptLimits.MaxMessage;

    /// <summary>Tells one end that the other has come.</summary>
    /// <exception cref="ChannelException">It has gone.</exception>
    public static ValueTask JoinAsync(ChannelStream end, CancellationToken cancellationToken) => end.WriteAsync(default, cancellationToken);

    /// <summary>Waits until the other end has come.</summary>
    /// <exception cref="ChannelException">It does not, or the other side breaks the contract.</exception>
    public static async Task WaitJoinedAsync(ChannelStream end, CancellationToken cancellationToken)
    {
        using var first = await end.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (first.IsEnd || !first.Span.IsEmpty)
        {
            throw Broken("what has come first is not the word that its other end is there");
        }
    }

    /// <summary>Moves all from the writer to the reader, and the reader's confirmation back. A writer that waits for its reader stops, and the other way round.</summary>
    /// <returns>How many bytes.</returns>
    /// <exception cref="ChannelException">One of them has ended before the end, or breaks the contract.</exception>
    public static async Task<long> MoveAsync(ChannelStream writer, ChannelStream reader, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var confirming = WaitConfirmedAsync(reader, stop.Token);
        // Its end is known while the writer has nothing to say too.
        _ = confirming.ContinueWith(_ => stop.Cancel(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            var bytes = await PumpAsync(writer, reader, stop.Token).ConfigureAwait(false);
            if (confirming.IsCompleted)
            {
                throw Ended("reader");
            }

            await reader.WriteAsync(default, cancellationToken).ConfigureAwait(false);
            await confirming.ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            await reader.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return bytes;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await confirming.ConfigureAwait(false);
            throw Ended("reader");
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await confirming.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The next piece of data, to be disposed of; null behind the last.</summary>
    /// <exception cref="ChannelException">The writer has ended before.</exception>
    public static async ValueTask<ReceivedMessage?> ReadAsync(ChannelStream writer, CancellationToken cancellationToken)
    {
        ReceivedMessage message;
        try
        {
            message = await writer.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            throw Ended("writer", e);
        }

        if (!message.Span.IsEmpty)
        {
            return message;
        }

        var isEarly = message.IsEnd;
        message.Dispose();
        return isEarly ? throw Ended("writer") : null;
    }

    private static async Task<long> PumpAsync(ChannelStream writer, ChannelStream reader, CancellationToken cancellationToken)
    {
        long bytes = 0;
        while (await ReadAsync(writer, cancellationToken).ConfigureAwait(false) is { } message)
        {
            using (message)
            {
                // A tool takes no longer ones, whatever the other side sends.
                for (var left = message.Memory; !left.IsEmpty; left = left[Math.Min(left.Length, PieceBytes)..])
                {
                    try
                    {
                        await reader.WriteAsync(left[..Math.Min(left.Length, PieceBytes)], cancellationToken).ConfigureAwait(false);
                    }
                    catch (ChannelException e)
                    {
                        throw Ended("reader", e);
                    }
                }

                bytes += message.Memory.Length;
            }
        }

        return bytes;
    }

    private static async Task WaitConfirmedAsync(ChannelStream reader, CancellationToken cancellationToken)
    {
        try
        {
            using var last = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!last.IsEnd)
            {
                throw Broken("its reader has sent a message, where none belongs");
            }
        }
        catch (ChannelException e) when (e.Code != ChannelError.TransportFailed)
        {
            throw Ended("reader", e);
        }
    }

    private static ChannelException Ended(string what, ChannelException? why = null) => new(ChannelError.TransportFailed, ErrorClass.MayHaveRun,
        $"the stream's {what} has ended before the end of the data{(why is null ? "" : $": {why.Message}")}", why);

    private static ChannelException Broken(string what) => new(ChannelError.TransportFailed, ErrorClass.MayHaveRun, $"the other side of a stream between the halves breaks the contract: {what}");
}
