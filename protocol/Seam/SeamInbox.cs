using System.Buffers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// What a worker writes, which may be a hostile process: each record is checked before it has an effect, each byte of its data copied
/// before it is looked at, and all that is kept for it is bounded. A record for a call that is over here is no fault: they have crossed.
/// </summary>
/// <remarks>
/// Nothing is taken from a worker that leaves no room for what was written for it: its calls, each with an end that is kept, would be without end.
/// </remarks>
internal sealed class SeamInbox(
    SeamPeer peer, SeamCalls calls, SeamWrites writes, SeamOutput output, SeamBounds bounds, RingReader ring, IRpcHandler handler, ISeamEvents events)
{
    // A turn, so that one worker does not keep the thread that serves all of them.
    private const int TurnRecords = 256;
    private const int TurnBytes = 512 << 10;

    /// <summary>The last millisecond that DateTimeOffset can hold (year 9999).</summary>
    private const long MaxUnixMilliseconds = 253402300799999;

    private readonly SeamRates _rates = new(bounds.Session.TotalLimit);

    /// <summary>As <see cref="SeamPeer.Receive"/>.</summary>
    public bool Receive(long now)
    {
        var bytes = 0;
        for (var records = 0; records < TurnRecords && bytes < TurnBytes; records++)
        {
            if (output.IsCongested || !ring.TryPeek(out var untrusted))
            {
                return false;
            }

            bytes += untrusted.Length;
            Received++;
            OnRecord(untrusted, ring.UntrustedData.Span, now);
            ring.Advance();
        }

        return true;
    }

    /// <summary>Records that have come.</summary>
    public long Received { get; private set; }

    /// <summary>As <see cref="SeamPeer.HasWork"/>.</summary>
    public bool HasWork => output.IsCongested ? output.MaySettle : ring.HasRecords;

    /// <summary>As <see cref="RingReader.Release"/>.</summary>
    public bool Release() => ring.Release();

    /// <summary>As <see cref="RingReader.TrySleep"/>; a worker that makes room wakes this side too.</summary>
    public bool TrySleep() => output.IsCongested || ring.TrySleep();

    private void OnRecord(in SeamRecord untrusted, ReadOnlySpan<byte> untrustedData, long now)
    {
        Require(untrusted.Kind < SeamKind.Opening || _rates.TryTakeEvent(now), "more events than a guest can cause");
        switch (untrusted.Kind)
        {
            case SeamKind.Incoming:
                OnIncoming(untrusted, untrustedData, now);
                break;
            case SeamKind.Message:
                OnMessage(untrusted, untrustedData);
                break;
            case SeamKind.Taken when calls.Find(untrusted.Call) is { } call:
                Require(call.IsStream && writes.TryTake(call, untrusted.Extra), "more taken of a stream than was written");
                break;
            case SeamKind.Ended when calls.Find(untrusted.Call) is { } call:
                OnEnded(call);
                break;
            case SeamKind.Failed when calls.Find(untrusted.Call) is { } call:
                OnFailed(call, untrusted, untrustedData);
                break;
            case SeamKind.Taken or SeamKind.Ended or SeamKind.Failed:
                break;
            case SeamKind.Opening:
                events.OnOpening();
                break;
            case SeamKind.Link:
                events.OnLink();
                break;
            case SeamKind.Established:
                calls.IsUp = true;
                events.OnSession(untrusted.Id, untrusted.Extra, (ulong)untrusted.First);
                events.OnEstablished((untrusted.Flags & SeamFlags.IsResumed) != 0);
                break;
            case SeamKind.LinkLost when !calls.IsUp:
                // Of a worker that has ended, which was told already.
                break;
            case SeamKind.LinkLost:
                calls.IsUp = false;
                events.OnLinkLost((ChannelError)untrusted.Code, Text(untrustedData));
                break;
            case SeamKind.SessionLost:
                events.OnSessionLost((ChannelError)untrusted.Code, Text(untrustedData));
                break;
            case SeamKind.Heartbeat:
                OnHeartbeat(untrusted);
                break;
            case SeamKind.EndpointFailed:
                events.OnEndpointFailed((ChannelError)untrusted.Code, Text(untrustedData));
                break;
            case SeamKind.Fault:
                events.OnFault(Text(untrustedData));
                break;
            default:
                throw RingMemory.Broken($"a record of kind {(int)untrusted.Kind}");
        }
    }

    private void OnIncoming(in SeamRecord untrusted, ReadOnlySpan<byte> untrustedData, long now)
    {
        Span<byte> name = stackalloc byte[RpcHeader.MaxMethod];
        var length = untrusted.Extra;
        Require(_rates.TryTakeCall(now), "more calls than a guest may make in this time");
        Require(length is > 0 and <= RpcHeader.MaxMethod && length <= untrustedData.Length, "a method's name of another length");
        Require(untrusted.Value < StreamClassValues.Count, "a class of streams that is not one");
        Require(untrusted.First is >= 0 and <= uint.MaxValue, "a deadline that is not one");
        Require(untrustedData.Length - length <= bounds.MaxMessage, "a request that is too long");
        name = name[..length];
        untrustedData[..length].CopyTo(name);
        Require(!name.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E), "a method's name that is not one");
        var isStream = (untrusted.Flags & SeamFlags.IsStream) != 0;
        var deadline = untrusted.First == 0 ? 0 : now + 1000 * untrusted.First;
        if (calls.TryAddIncoming(untrusted.Call, (StreamClass)untrusted.Value, name, isStream, deadline) is not { } call)
        {
            throw RingMemory.Broken("more calls of the guest than it may have, or one that is there already");
        }

        call.PeerDone = !isStream;
        if (!handler.OnIncoming(call, new RpcHeader(isStream, (uint)untrusted.First, name)))
        {
            peer.Finish(call, new RpcStatus(ChannelError.UnknownMethod, ErrorClass.Refused, $"this peer has no method {PeerText.Decode(name)}"));
            return;
        }

        Deliver(call, untrustedData[length..]);
    }

    private void OnMessage(in SeamRecord untrusted, ReadOnlySpan<byte> untrustedData)
    {
        if (calls.Find(untrusted.Call) is not { } call)
        {
            return;
        }

        var isEnd = (untrusted.Flags & SeamFlags.Fin) != 0;
        Require(!call.PeerDone, "a message behind the end of its stream");
        Require(untrustedData.Length <= bounds.MaxMessage, "a message that is too long");
        if (!call.IsStream)
        {
            Require(isEnd, "a reply that goes on");
            calls.Remove(call);
            Deliver(call, untrustedData);
            calls.Recycle(call);
            return;
        }

        Require(untrusted.First is >= 0 and <= int.MaxValue && untrusted.Second is > 0 and <= int.MaxValue, "a message's credit that is not one");
        var cost = untrustedData.Length + SeamBounds.MessageCost;
        Require(call.Unread + cost <= bounds.UnreadOf(call.StreamClass) && calls.Unread + cost <= bounds.Unread, "more messages than a guest has credit for");
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, untrustedData.Length));
        untrustedData.CopyTo(buffer);
        calls.Keep(call, new RpcMessage(buffer, untrustedData.Length, (int)untrusted.First, (int)untrusted.Second));
        calls.OnAnswer(call);
        NoteEnd(call, isEnd);
        handler.OnReadable(call);
    }

    private void OnEnded(SeamCall call)
    {
        Require(call is { IsStream: true, PeerDone: false }, "two ends of one stream");
        calls.OnAnswer(call);
        NoteEnd(call, isEnd: true);
        handler.OnReadable(call);
        calls.EndIfDone(call);
    }

    private void OnFailed(SeamCall call, in SeamRecord untrusted, ReadOnlySpan<byte> untrustedText)
    {
        Require(untrusted.Value <= (byte)ErrorClass.MayHaveRun, "a class of errors that is not one");
        var status = new RpcStatus((ChannelError)untrusted.Code, (ErrorClass)untrusted.Value, Text(untrustedText));
        calls.Remove(call);
        peer.Fail(call, status);
    }

    private void OnHeartbeat(in SeamRecord untrusted)
    {
        const long longest = 60_000_000;
        Require(
            untrusted.Value <= (byte)StateWord.Repairing && untrusted.First is >= 0 and <= MaxUnixMilliseconds && untrusted.Second is >= -1 and < longest,
            "a heartbeat that is not one");
        events.OnPeerHeartbeat(new Heartbeat(
            (StateWord)untrusted.Value,
            untrusted.First == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(untrusted.First),
            untrusted.Code,
            untrusted.Second < 0 ? null : TimeSpan.FromMicroseconds(untrusted.Second)));
    }

    private static void NoteEnd(SeamCall call, bool isEnd)
    {
        call.PeerDone |= isEnd;
        if (isEnd && !call.IsIncoming)
        {
            call.Status ??= new RpcStatus(ChannelError.None, ErrorClass.Retry, "");
        }
    }

    private static string Text(ReadOnlySpan<byte> untrusted)
    {
        Require(untrusted.Length <= SeamBounds.Text, "a text that is too long");
        Span<byte> copy = stackalloc byte[SeamBounds.Text];
        untrusted.CopyTo(copy);
        return PeerText.Decode(copy[..untrusted.Length]);
    }

    /// <summary>Hands a copy of a message on: the worker could change it while it is decoded.</summary>
    private void Deliver(SeamCall call, ReadOnlySpan<byte> untrusted)
    {
        var copy = ArrayPool<byte>.Shared.Rent(Math.Max(1, untrusted.Length));
        untrusted.CopyTo(copy);
        try
        {
            handler.OnMessage(call, copy.AsSpan(0, untrusted.Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy, clearArray: bounds.Session.WipeMemory);
        }
    }

    private static void Require(bool isSo, string otherwise)
    {
        if (!isSo)
        {
            throw RingMemory.Broken(otherwise);
        }
    }
}
