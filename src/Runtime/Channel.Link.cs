using System.Buffers;
using System.Runtime.CompilerServices;
using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.Runtime;

/// <summary>
/// Bytes between the session and its links. One loop receives. Whoever has made output sends it: the first one in
/// becomes the sender, until there is nothing more; sends run outside of the lock, so both directions move at once.
/// </summary>
public sealed partial class Channel
{
    private readonly Action _sendContinuation;
    private ITimer? _timer;
    private ITransportLink? _link;
    private LinkState _linkState;
    private ChannelException? _linkError;
    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private bool _isSending;
    private bool _isSendBroken;
    private int _sendLength;
    private ValueTaskAwaiter<int> _send;
    private TaskCompletionSource? _sendIdle;
    private long _timerAt = long.MaxValue;
    private long _bytesIn;
    private long _bytesOut;

    private async Task RunAsync()
    {
        var retry = _options.RetryMin;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                SetLinkState(LinkState.Opening);
                var link = await _endpoint.OpenAsync(_stopping.Token).ConfigureAwait(false)
                    ?? throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"{_endpoint.Uri} opened no link");
                _events.ClearEndpointFailure();
                // A link that failed by its peer's fault, or before it was up, must not make us spin.
                retry = await RunLinkAsync(link).ConfigureAwait(false) ? _options.RetryMin : Next(retry);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                // Whatever it is: this loop ends with the channel, not before.
                var error = Unexpected("the endpoint failed unexpectedly", e);
                lock (Gate)
                {
                    _lastError = error;
                }

                _events.Publish(ChannelEventKind.EndpointFailed, error.Code, error.Message);
                retry = Next(retry);
            }

            await WaitAsync(retry * (0.5 + Random.Shared.NextDouble() / 2)).ConfigureAwait(false);
        }

        SetLinkState(LinkState.Closed);
        TimeSpan Next(TimeSpan last) => TimeSpan.FromTicks(Math.Min(last.Ticks * 2, _options.RetryMax.Ticks));
    }

    private async Task WaitAsync(TimeSpan time)
    {
        try
        {
            await Task.Delay(time, _time, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Disposed of while waiting.
        }
    }

    /// <summary>One link from its begin to its end. True if it was up and the transport ended it, not an error of the protocol.</summary>
    private async Task<bool> RunLinkAsync(ITransportLink link)
    {
        bool wasGood;
        bool isTooLate;
        var peer = link.Peer;
        lock (Gate)
        {
            isTooLate = _isClosed;
            if (!isTooLate)
            {
                (_link, _linkError, _isSendBroken) = (link, null, false);
                (_peer, _linkState) = (peer, LinkState.Handshake);
                (_buffer, _start, _end) = (ArrayPool<byte>.Shared.Rent(_options.ReceiveBufferMin), 0, 0);
                Rpc.Session.LinkUp(Now);
                Rearm();
            }
        }

        if (isTooLate)
        {
            // Who disposes of the channel saw no link to end, so nothing would end this one.
            await DisposeSafelyAsync(link, "a link could not be disposed of").ConfigureAwait(false);
            return false;
        }

        Flush();
        try
        {
            await ReceiveAsync(link).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            NoteLinkError("the link failed unexpectedly", e);
        }

        await DrainAndAbortAsync().ConfigureAwait(false);
        lock (Gate)
        {
            var error = _linkError ?? new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, "the other side closed the link");
            // Transports call every end of a link fatal, so the code tells what was the transport's doing.
            var byTransport = error.Class != ErrorClass.Fatal || error.Code is ChannelError.LinkLost or ChannelError.TransportFailed;
            wasGood = (_linkState == LinkState.Up && byTransport) || error.Code == ChannelError.SessionClosed;
            Rpc.Session.LinkDown(error.Code, error.Message, Now);
            (_lastError, _link) = (error, null);
            ArrayPool<byte>.Shared.Return(_buffer);
            (_buffer, _start, _end) = ([], 0, 0);
            Rearm();
        }

        RunDeferred();
        await DisposeSafelyAsync(link, "a link could not be disposed of").ConfigureAwait(false);
        return wasGood;
    }

    /// <summary>Why the link ends: the first reason stays.</summary>
    private void NoteLinkError(string what, Exception e)
    {
        lock (Gate)
        {
            _linkError ??= Unexpected(what, e);
        }
    }

    private async ValueTask ReceiveAsync(ITransportLink link)
    {
        var small = 0;
        while (true)
        {
            Memory<byte> space;
            long pausedUntil;
            lock (Gate)
            {
                pausedUntil = Rpc.Session.ReceivePausedUntil;
                MakeSpace(ref small);
                space = _buffer.AsMemory(_end);
            }

            if (pausedUntil > Now && !_stopping.IsCancellationRequested)
            {
                await WaitAsync(TimeSpan.FromMilliseconds((pausedUntil - Now + 999) / 1000)).ConfigureAwait(false);
                if (FeedAgain())
                {
                    return;
                }

                continue;
            }

            var count = await link.ReceiveAsync(space).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)space.Length, "received");

            bool failed;
            lock (Gate)
            {
                _end += count;
                _bytesIn += count;
                small = count * 8 < _buffer.Length ? small + 1 : 0;
                failed = _isClosed ? Discard() : Feed();
            }

            RunDeferred();
            Flush();
            if (failed)
            {
                return;
            }
        }
    }

    /// <summary>After a pause: what the session did not take before it. True: the link must be dropped.</summary>
    private bool FeedAgain()
    {
        bool failed;
        lock (Gate)
        {
            failed = !_isClosed && Feed();
        }

        RunDeferred();
        Flush();
        return failed;
    }

    /// <summary>Gives the received bytes to the session. True: the link must be dropped.</summary>
    private bool Feed()
    {
        // The end stays where it is: a receive may be under way behind it.
        _start += Rpc.Receive(_buffer.AsSpan(_start, _end - _start), Now);
        NoteFault();
        Rearm();
        return Rpc.Session.Fault is not null;
    }

    /// <summary>What comes after the channel's close is for nobody; a socket closed with bytes unread takes its own last ones back.</summary>
    private bool Discard()
    {
        _start = _end;
        return false;
    }

    private void NoteFault()
    {
        if (Rpc.Session.Fault is { } fault)
        {
            _linkError ??= new ChannelException(fault.Code, ErrorClass.Fatal, fault.Text);
        }
    }

    /// <summary>Room behind the received bytes: grows under load, goes back to the small buffer when it is idle.</summary>
    private void MakeSpace(ref int small)
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }

        var held = _end - _start;
        var size = _buffer.Length;
        if (_end == size && _start < size / 2)
        {
            size = _options.ReceiveBufferMax;
        }
        else if (small > 32 && held == 0 && size > _options.ReceiveBufferMin)
        {
            (size, small) = (_options.ReceiveBufferMin, 0);
        }
        else if (_end < size)
        {
            return;
        }

        if (size == _buffer.Length)
        {
            _buffer.AsSpan(_start, held).CopyTo(_buffer);
        }
        else
        {
            var next = ArrayPool<byte>.Shared.Rent(size);
            _buffer.AsSpan(_start, held).CopyTo(next);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = next;
        }

        (_start, _end) = (0, held);
    }

    /// <summary>Sends what the session has, unless somebody is at it.</summary>
    internal void Flush()
    {
        while (true)
        {
            ITransportLink link;
            ReadOnlyMemory<byte> output;
            lock (Gate)
            {
                if (_isSending)
                {
                    return;
                }

                output = _link is null || _isSendBroken ? default : Rpc.Session.GetOutput(Now);
                if (output.IsEmpty)
                {
                    _sendIdle?.TrySetResult();
                    return;
                }

                (link, _isSending) = (_link!, true);
            }

            _sendLength = output.Length;
            try
            {
#pragma warning disable CA2012 // The awaiter is used once: here if the send is done, else in its continuation, without a state machine.
                var send = link.SendAsync(output).GetAwaiter();
#pragma warning restore CA2012
                if (!send.IsCompleted)
                {
                    _send = send;
                    send.UnsafeOnCompleted(_sendContinuation);
                    return;
                }

                EndSend(send);
            }
            catch (Exception e)
            {
                // It was thrown before there was a send.
                EndSend(0, Unexpected("a send failed unexpectedly", e));
            }

            RunDeferred();
        }
    }

    private void OnSendCompleted()
    {
        EndSend(_send);
        RunDeferred();
        Flush();
    }

    private void EndSend(ValueTaskAwaiter<int> send)
    {
        var count = 0;
        ChannelException? error = null;
        try
        {
            var sent = send.GetResult();
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)sent, (uint)_sendLength, nameof(sent));
            count = sent;
        }
        catch (Exception e)
        {
            error = Unexpected("a send failed unexpectedly", e);
        }

        EndSend(count, error);
    }

    private void EndSend(int count, ChannelException? error)
    {
        lock (Gate)
        {
            _isSending = false;
            _bytesOut += count;
            Rpc.Session.AdvanceOutput(count);
            if (error is not null)
            {
                // Nothing more goes out. What the peer said last, a goodbye perhaps, is there to be received still.
                _linkError ??= error;
                _isSendBroken = true;
                _ = ObserveAsync(AbortSoonAsync(_link));
            }
            else
            {
                Rearm();
            }
        }
    }

    private void OnTimer()
    {
        try
        {
            DoWhatIsDue();
        }
        catch (Exception e)
        {
            // Out of a timer it would end the process.
            NoteLinkError("the link failed unexpectedly", e);
            ReportFault("the link failed unexpectedly", e);
            _ = ObserveAsync(DrainAndAbortAsync());
        }
    }

    private void DoWhatIsDue()
    {
        var failed = false;
        lock (Gate)
        {
            if (_isClosed)
            {
                // Who closed it ends the link too.
                return;
            }

            _timerAt = long.MaxValue;
            Rpc.Tick(Now);
            if (_end > _start)
            {
                // A frame that does not become whole may hide the HELLO of a peer that began anew.
                failed = Feed();
            }

            NoteFault();
            failed |= Rpc.Session.Fault is not null;
            Rearm();
        }

        RunDeferred();
        Flush();
        if (failed)
        {
            _ = ObserveAsync(DrainAndAbortAsync());
        }
    }

    /// <summary>Under the lock: makes the timer fire no later than the next deadline.</summary>
    private void Rearm()
    {
        var next = Rpc.NextDeadline;
        if (next < _timerAt && !_isClosed)
        {
            _timerAt = next;
            // Rounded up to the timer's milliseconds: a little late is right, early would be for nothing.
            _timer ??= _time.CreateTimer(static state => ((Channel)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, (next - Now + 999) / 1000)), Timeout.InfiniteTimeSpan);
        }
    }

    private void SetLinkState(LinkState state)
    {
        lock (Gate)
        {
            _linkState = state;
        }
    }
}
