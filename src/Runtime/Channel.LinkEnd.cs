using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.Runtime;

/// <summary>The end of a link: what is under way on it still goes out, or comes in, for a moment.</summary>
public sealed partial class Channel
{
    /// <summary>How long a link that ends is kept for what is under way on it.</summary>
    private static readonly TimeSpan s_lastWords = TimeSpan.FromMilliseconds(100);

    /// <summary>Lets a last frame go out, for a moment; then ends the link and waits until no send uses the session's memory.</summary>
    /// <param name="isGoodbye">Whether the last frame ended the session, and the link is to bring it over.</param>
    private async Task DrainAndAbortAsync(bool isGoodbye = false)
    {
        TaskCompletionSource idle;
        lock (Gate)
        {
            if (_link is null)
            {
                return;
            }

            idle = _sendIdle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        Flush();
        await Task.WhenAny(idle.Task, Task.Delay(s_lastWords, _time)).ConfigureAwait(false);
        if (isGoodbye && idle.Task.IsCompleted)
        {
            await WaitForPeersCloseAsync().ConfigureAwait(false);
        }

        ITransportLink? link;
        lock (Gate)
        {
            link = _link;
        }

        Abort(link);
        // An aborted link ends its send at once.
        Flush();
        await idle.Task.ConfigureAwait(false);
        lock (Gate)
        {
            // Another drain may have begun since.
            _sendIdle = _sendIdle == idle ? null : _sendIdle;
        }
    }

    /// <summary>
    /// The peer's answer to a goodbye is that it closes the link. Before that a close here could take the goodbye back: a
    /// socket that is closed with bytes unread resets its connection (RFC 1122, section 4.2.2.13).
    /// </summary>
    private async Task WaitForPeersCloseAsync()
    {
        lock (Gate)
        {
            if (_link is not IHalfClose link)
            {
                return;
            }

            try
            {
                link.CompleteSend();
            }
            catch (Exception e)
            {
                ReportFault("the transport could not end its sending", e);
                return;
            }
        }

        await Task.WhenAny(_running, Task.Delay(s_lastWords, _time)).ConfigureAwait(false);
    }

    private async Task AbortSoonAsync(ITransportLink? link)
    {
        await Task.Delay(s_lastWords, _time).ConfigureAwait(false);
        Abort(link);
    }

    private void AbortLink(ChannelError code, string reason)
    {
        lock (Gate)
        {
            _linkError ??= new ChannelException(code, ErrorClass.Retry, reason);
            Abort(_link);
        }
    }
}
