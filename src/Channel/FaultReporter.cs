using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>
/// What others' code throws within the channel: callbacks, handlers, sinks, endpoints. It is told, by an event and as the last
/// error, and ends nothing but what it belongs to.
/// </summary>
internal sealed class FaultReporter(ChannelCore core)
{
    /// <summary>Time between two events about failures: a peer can cause some of them as often as it likes.</summary>
    private static readonly TimeSpan s_gap = TimeSpan.FromSeconds(1);

    private long _toldAt = long.MinValue / 2;
    private int _untold;

    /// <summary>Reports an exception that no caller will see. The channel goes on.</summary>
    /// <param name="what">What failed, as the beginning of a sentence.</param>
    /// <param name="e">Its exception.</param>
    public void Report(string what, Exception e)
    {
        ChannelException error;
        lock (core.Gate)
        {
            var now = core.Now;
            if (now - _toldAt < (long)s_gap.TotalMicroseconds)
            {
                _untold++;
                return;
            }

            var more = _untold == 0 ? "" : $" ({_untold} more failures were not told)";
            (_toldAt, _untold) = (now, 0);
            core.Status.LastError = error = Unexpected(what + more, e);
        }

        core.Events.Publish(ChannelEventKind.Fault, error.Code, error.Message);
    }

    /// <summary>Any exception, as the channel's own error.</summary>
    /// <param name="what">What failed, as the beginning of a sentence.</param>
    /// <param name="e">What was thrown.</param>
    public static ChannelException Unexpected(string what, Exception e) =>
        e as ChannelException ?? new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"{what}: {e.GetType().Name}: {e.Message}", e);

    /// <summary>Watches a task that no code awaits.</summary>
    public async Task ObserveAsync(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Report("the end of a link failed", e);
        }
    }

    /// <summary>Disposes of an object of the transport; errors are reported, not thrown.</summary>
    /// <param name="part">What is disposed of.</param>
    /// <param name="what">The beginning of the sentence if it fails.</param>
    public async Task DisposeAsync(IAsyncDisposable part, string what)
    {
        try
        {
            await part.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Report(what, e);
        }
    }
}
