using System.Runtime.CompilerServices;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>
/// Sends the session's output. A thread that has made output becomes the sender, until there is no more; the others leave it to that
/// one. Sends run outside of the lock, so both directions move at once.
/// </summary>
internal sealed class SendPump
{
    private enum State : byte
    {
        NoLink,
        Idle,
        /// <summary>A send is under way: the memory that it was given is the link's.</summary>
        Sending,
        /// <summary>A send has failed; nothing more goes out on this link.</summary>
        Broken,
    }

    private readonly ChannelCore _core;
    private readonly SessionEngine _session;
    private readonly Action _continuation;
    private State _state;
    private int _length;
    private ValueTaskAwaiter<int> _send;
    private TaskCompletionSource? _idle;

    public SendPump(ChannelCore core, SessionEngine session) => (_core, _session, _continuation) = (core, session, OnSendCompleted);

    /// <summary>Under the lock: there is a link to send on.</summary>
    public void Attach() => _state = State.Idle;

    /// <summary>Under the lock: the link has gone. No send may be under way.</summary>
    public void Detach() => _state = State.NoLink;

    /// <summary>
    /// Under the lock: ends at the next <see cref="Flush"/> that finds nothing to send and no send under way. Given back by
    /// <see cref="ForgetIdle"/>.
    /// </summary>
    public TaskCompletionSource WhenIdle() => _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Under the lock: the wait is over; another one may have begun since.</summary>
    public void ForgetIdle(TaskCompletionSource idle) => _idle = _idle == idle ? null : _idle;

    /// <summary>Sends the session's output, unless another thread does.</summary>
    public void Flush()
    {
        while (true)
        {
            ITransportLink link;
            ReadOnlyMemory<byte> output;
            lock (_core.Gate)
            {
                if (_state == State.Sending)
                {
                    return;
                }

                output = _state == State.Idle ? _session.Session.GetOutput(_core.Now) : default;
                if (output.IsEmpty)
                {
                    _idle?.TrySetResult();
                    return;
                }

                _session.Commit();
                (link, _state) = (_session.Link.Current!, State.Sending);
            }

            _length = output.Length;
            try
            {
#pragma warning disable CA2012 // The awaiter is used once: here if the send is done, else in its continuation, without a state machine.
                var send = link.SendAsync(output).GetAwaiter();
#pragma warning restore CA2012
                if (!send.IsCompleted)
                {
                    _send = send;
                    send.UnsafeOnCompleted(_continuation);
                    return;
                }

                EndSend(send);
            }
            catch (Exception e)
            {
                // It was thrown before there was a send.
                EndSend(0, e);
            }

            _core.Callbacks.Run();
        }
    }

    private void OnSendCompleted()
    {
        EndSend(_send);
        _core.Callbacks.Run();
        Flush();
    }

    private void EndSend(ValueTaskAwaiter<int> send)
    {
        var count = 0;
        Exception? error = null;
        try
        {
            var sent = send.GetResult();
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)sent, (uint)_length, nameof(sent));
            count = sent;
        }
        catch (Exception e)
        {
            error = e;
        }

        EndSend(count, error);
    }

    private void EndSend(int count, Exception? error)
    {
        lock (_core.Gate)
        {
            _session.BytesOut += count;
            _session.Session.AdvanceOutput(count);
            if (error is null)
            {
                _state = State.Idle;
                _session.Timer.Rearm();
                return;
            }

            // What the peer said last, a goodbye perhaps, is there to be received still.
            _state = State.Broken;
            _session.Link.NoteError(FaultReporter.Unexpected("a send failed unexpectedly", error));
            _session.Link.AbortSoon();
        }
    }
}
