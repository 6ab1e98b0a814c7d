using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>The link that is there now, why it ends, and its end: what is under way on it still goes out, or comes in, for a moment.</summary>
internal sealed class ActiveLink(ChannelCore core, SessionEngine session, TimeProvider time)
{
    /// <summary>How long a link that ends is kept for what is under way on it.</summary>
    private static readonly TimeSpan s_lastWords = TimeSpan.FromMilliseconds(100);

    private ChannelException? _error;

    /// <summary>Under the lock: the link, or null while there is none.</summary>
    public ITransportLink? Current { get; private set; }

    /// <summary>Under the lock: a link has come.</summary>
    public void Attach(ITransportLink link) => (Current, _error) = (link, null);

    /// <summary>Under the lock: the link has gone. Gives why.</summary>
    public ChannelException Detach()
    {
        Current = null;
        return _error ?? new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, "the other side closed the link");
    }

    /// <summary>Under the lock: why the link ends. The first reason stays.</summary>
    public void NoteError(ChannelException error) => _error ??= error;

    /// <summary>Under the lock: ends the link at once, for a reason.</summary>
    public void Cut(ChannelException reason)
    {
        NoteError(reason);
        Abort(Current);
    }

    /// <summary>Under the lock: ends the link in a moment.</summary>
    public void AbortSoon() => _ = core.Faults.ObserveAsync(AbortSoonAsync(Current));

    /// <summary>Lets a last frame go out, for a moment; then ends the link and waits until no send uses the session's memory.</summary>
    /// <param name="goodbye">
    /// Null; or, if the last frame ended the session and the link is to bring it over, what ends when the peer has closed the link.
    /// </param>
    public async Task EndAsync(Task? goodbye = null)
    {
        TaskCompletionSource idle;
        lock (core.Gate)
        {
            if (Current is null)
            {
                return;
            }

            idle = session.Sender.WhenIdle();
        }

        session.Sender.Flush();
        await Task.WhenAny(idle.Task, Task.Delay(s_lastWords, time)).ConfigureAwait(false);
        if (goodbye is not null && idle.Task.IsCompleted)
        {
            await WaitForPeersCloseAsync(goodbye).ConfigureAwait(false);
        }

        ITransportLink? link;
        lock (core.Gate)
        {
            link = Current;
        }

        Abort(link);
        // An aborted link ends its send at once.
        session.Sender.Flush();
        await idle.Task.ConfigureAwait(false);
        lock (core.Gate)
        {
            session.Sender.ForgetIdle(idle);
        }
    }

    /// <summary>
    /// The peer's answer to a goodbye is that it closes the link. Before that a close here could take the goodbye back: a
    /// socket that is closed with bytes unread resets its connection (RFC 1122, section 4.2.2.13).
    /// </summary>
    private async Task WaitForPeersCloseAsync(Task goodbye)
    {
        lock (core.Gate)
        {
            if (Current is not IHalfClose link)
            {
                return;
            }

            try
            {
                link.CompleteSend();
            }
            catch (Exception e)
            {
                core.Faults.Report("the transport could not end its sending", e);
                return;
            }
        }

        await Task.WhenAny(goodbye, Task.Delay(s_lastWords, time)).ConfigureAwait(false);
    }

    private async Task AbortSoonAsync(ITransportLink? link)
    {
        await Task.Delay(s_lastWords, time).ConfigureAwait(false);
        Abort(link);
    }

    /// <summary>Ends a link; errors of the transport are reported, not thrown.</summary>
    private void Abort(ITransportLink? link)
    {
        try
        {
            link?.Abort();
        }
        catch (Exception e)
        {
            core.Faults.Report("the transport could not abort its link", e);
        }
    }
}
