using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.Runtime;

/// <summary>
/// What others' code throws within the channel: callbacks, handlers, sinks, endpoints. It is told, by an event and as the last
/// error, and ends nothing but what it belongs to.
/// </summary>
public sealed partial class Channel
{
    /// <summary>Time between two events about failures: a peer can cause some of them as often as it likes.</summary>
    private static readonly TimeSpan s_faultGap = TimeSpan.FromSeconds(1);

    private long _faultToldAt = long.MinValue / 2;
    private int _faultsUntold;

    /// <summary>Tells of an exception that nobody who could act on it will see. The channel goes on.</summary>
    /// <param name="what">What failed, as the beginning of a sentence.</param>
    /// <param name="e">Its exception.</param>
    internal void ReportFault(string what, Exception e)
    {
        ChannelException error;
        lock (Gate)
        {
            var now = Now;
            if (now - _faultToldAt < (long)s_faultGap.TotalMicroseconds)
            {
                _faultsUntold++;
                return;
            }

            var more = _faultsUntold == 0 ? "" : $" ({_faultsUntold} more failures were not told)";
            (_faultToldAt, _faultsUntold) = (now, 0);
            _lastError = error = Unexpected(what + more, e);
        }

        _events.Publish(ChannelEventKind.Fault, error.Code, error.Message);
    }

    private static ChannelException Unexpected(string what, Exception e) =>
        e as ChannelException ?? new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"{what}: {e.GetType().Name}: {e.Message}", e);

    /// <summary>Watches a task that nobody waits for.</summary>
    private async Task ObserveAsync(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            ReportFault("the end of a link failed", e);
        }
    }

    /// <summary>Ends a link, whatever the endpoint makes of that.</summary>
    private void Abort(ITransportLink? link)
    {
        try
        {
            link?.Abort();
        }
        catch (Exception e)
        {
            ReportFault("the transport could not abort its link", e);
        }
    }

    private async Task DisposeSafelyAsync(IAsyncDisposable part, string what)
    {
        try
        {
            await part.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            ReportFault(what, e);
        }
    }
}
