using System.Buffers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>What comes from the peer: new calls, messages put together from their frames, statuses, ends.</summary>
public sealed partial class RpcPeer
{
    /// <summary>As <see cref="Session.Receive"/>.</summary>
    public int Receive(ReadOnlySpan<byte> untrustedBytes, long now)
    {
        _now = now;
        return Session.Receive(untrustedBytes, now);
    }

    void ISessionHandler.OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin)
    {
        if (fin || !RpcHeader.TryRead(untrustedHeader, out var header))
        {
            Session.Reset(stream, ChannelError.InvalidArgument);
            return;
        }

        var call = NewCall(isIncoming: true, header.IsStream, null);
        call.Stream = stream;
        stream.State = call;
        if (!_handler.OnIncoming(call, header))
        {
            // The request that follows is read and dropped; the call ends with it.
            call.IsRefused = true;
            Finish(call, new RpcStatus(ChannelError.UnknownMethod, ErrorClass.Refused, $"this peer has no method {PeerText.Decode(header.Method)}"));
        }
        else if (header.DeadlineMs != 0)
        {
            _deadlines.Add(call, _now + 1000L * header.DeadlineMs);
        }
    }

    void ISessionHandler.OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags)
    {
        if (stream.State is not SessionCall call || (call.IsIncoming && call.OwnDone))
        {
            // The call has ended.
            Session.Consume(stream, untrustedData.Length);
            return;
        }

        if (call.PartialLength + untrustedData.Length > _maxMessage)
        {
            Refuse(call, ChannelError.MessageTooLarge, $"a message of more than {_maxMessage} bytes came");
            return;
        }

        call.PeerDone |= (flags & DataFlags.Fin) != 0;
        if ((flags & DataFlags.More) != 0)
        {
            call.PartCredit += untrustedData.Length;
            call.PartFrames++;
            ReleasePartCredit(call);
            Append(call, untrustedData);
            return;
        }

        if (call.PartialLength == 0)
        {
            OnMessage(call, untrustedData, untrustedData.Length, flags);
        }
        else
        {
            Append(call, untrustedData);
            OnMessage(call, call.Partial.Span[..call.PartialLength], untrustedData.Length, flags);
        }
    }

    /// <summary>A whole message. <paramref name="lastFrame"/> bytes of its credit, and the part's, are still to be given back.</summary>
    private void OnMessage(SessionCall call, ReadOnlySpan<byte> untrustedMessage, int lastFrame, DataFlags flags)
    {
        var (stream, credit, frames) = (call.Stream!, call.PartCredit + lastFrame, call.PartFrames + 1);
        (call.PartCredit, call.PartFrames) = (0, 0);
        if (call.AwaitsSlot)
        {
            // Its stream's window was enough.
            _assembly.StopWaiting(call);
        }

        if ((flags & DataFlags.Trailer) != 0)
        {
            OnTrailer(call, untrustedMessage);
            Session.Consume(stream, credit, frames);
            return;
        }

        if (call.IsStream && (call.RequestTaken || !call.IsIncoming))
        {
            Enqueue(call, untrustedMessage, credit, frames, flags);
            return;
        }

        if (call.RequestTaken || (!call.IsStream && (flags & DataFlags.Fin) == 0))
        {
            Session.Consume(stream, credit, frames);
            Refuse(call, ChannelError.InvalidArgument, "a unary call has one message in each direction");
            return;
        }

        call.RequestTaken = true;
        if (!call.IsIncoming)
        {
            Forget(call);
        }

        _handler.OnMessage(call, untrustedMessage);
        call.PartialLength = 0;
        call.ReturnPartial();
        FreeSlot(call);
        if (!call.IsIncoming)
        {
            EndOwnDirection(stream);
            Recycle(call);
        }

        Session.Consume(stream, credit, frames);
    }

    private void Enqueue(SessionCall call, ReadOnlySpan<byte> untrustedMessage, int credit, int frames, DataFlags flags)
    {
        var isEmptyEnd = untrustedMessage.IsEmpty && (flags & DataFlags.Fin) != 0;
        if (isEmptyEnd)
        {
            Session.Consume(call.Stream!, credit, frames);
        }
        else if (_handler.OnStreamMessage(call, untrustedMessage, credit, frames))
        {
            call.Unread = (call.Unread.Credit + credit, call.Unread.Frames + frames);
        }
        else
        {
            if (!call.TryTakePartial(out var buffer))
            {
                buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, untrustedMessage.Length));
                untrustedMessage.CopyTo(buffer);
            }

            call.Received.Enqueue(new RpcMessage(buffer, untrustedMessage.Length, credit, frames));
        }

        if (call.PartialLength > 0)
        {
            (call.PartialLength, call.LastLength) = (0, call.PartialLength);
            call.ReturnPartial();
        }

        if (call.AwaitsAnswer)
        {
            call.AwaitsAnswer = false;
            _deadlines.Remove(call);
            if (call.FinalDeadline != 0)
            {
                _deadlines.Add(call, call.FinalDeadline);
            }
        }

        if (call.PeerDone && !call.IsIncoming)
        {
            call.Status ??= new RpcStatus(ChannelError.None, ErrorClass.Retry, "");
        }

        _handler.OnReadable(call);
    }

    private void OnTrailer(SessionCall call, ReadOnlySpan<byte> untrusted)
    {
        if (call.IsIncoming || !RpcStatus.TryRead(untrusted, out var status) || status.Code == ChannelError.None)
        {
            Refuse(call, ChannelError.InvalidArgument, "a status that cannot be read");
            return;
        }

        var stream = call.Stream!;
        Forget(call);
        EndOwnDirection(stream);
        Fail(call, status.Code, status.Class, status.Text);
    }

    /// <summary>The peer has answered: unsent bytes of the request are dropped, as their memory is about to be reused.</summary>
    private void EndOwnDirection(SessionStream stream)
    {
        if (!stream.LocalDone)
        {
            Session.Reset(stream, ChannelError.Cancelled);
        }
    }

    /// <summary>
    /// Parts of a message that its stream's window is too small for are paid for as they come, while the reader keeps up and
    /// there is a place for the whole of it; behind unread messages they wait for the reader.
    /// </summary>
    private void ReleasePartCredit(SessionCall call)
    {
        if (call.PartFrames == 0 || call.Received.Count > 0 || call.Unread.Frames > 0)
        {
            return;
        }

        // Not below half of the window: a sender can always come that far, and most messages end before.
        var isLong = Math.Max(call.PartCredit + call.PartFrames * FrameHeader.Size, call.LastLength) >= _windows[call.Stream!.Class] / 2;
        if (call.HasSlot || (isLong && _assembly.TryAcquireSlot(call)))
        {
            PayParts(call);
        }
    }

    private void PayParts(SessionCall call)
    {
        Session.Consume(call.Stream!, call.PartCredit, call.PartFrames);
        (call.PartCredit, call.PartFrames) = (0, 0);
    }

    /// <summary>The call's place is for the calls that wait for one.</summary>
    private void FreeSlot(SessionCall call)
    {
        if (!_assembly.Free(call))
        {
            return;
        }

        while (_assembly.TryGrant(out var next))
        {
            PayParts(next);
        }
    }

    private void Append(SessionCall call, ReadOnlySpan<byte> untrustedData) =>
        call.AppendPartial(untrustedData, call.HasSlot ? _maxMessage : _windows[call.Stream!.Class] / 2);

    private void Refuse(SessionCall call, ChannelError code, string text)
    {
        Abandon(call, code);
        Fail(call, code, ErrorClass.MayHaveRun, text);
    }

    void ISessionHandler.OnReset(SessionStream stream, ChannelError code)
    {
        if (stream.State is not SessionCall call)
        {
            return;
        }

        Forget(call);
        // A call that was reset has failed, even if its peer reports success.
        code = code == ChannelError.None ? ChannelError.Cancelled : code;
        var (errorClass, text) = code switch
        {
            ChannelError.TooManyStreams => (ErrorClass.Retry, "the peer has as many calls of this class as it takes"),
            _ when stream.MayHaveRun => (ErrorClass.MayHaveRun, $"the call was cut off: {code}; it may have run"),
            _ => (ErrorClass.Retry, $"the call was not sent: {code}"),
        };
        Fail(call, code, errorClass, text);
    }

    void ISessionHandler.OnWriteDone(SessionStream stream)
    {
        if (stream.State is SessionCall call)
        {
            call.ReturnWriteBuffer();
            if (!call.IsRefused)
            {
                _handler.OnWritable(call);
            }
        }
    }

    void ISessionHandler.OnClosed(SessionStream stream)
    {
        if (stream.State is SessionCall call)
        {
            // Only incoming calls and finished streams still hold their stream here.
            if (!call.IsRefused)
            {
                _handler.OnEnded(call);
            }

            Forget(call);
            Recycle(call);
        }
    }
}
