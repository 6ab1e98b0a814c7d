using System.Buffers;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>A call over a stream of a session, for <see cref="RpcPeer"/>.</summary>
/// <param name="wipes">Whether a write buffer is overwritten before it goes back to the pool.</param>
internal sealed class SessionCall(bool wipes) : RpcCall(wipes)
{
    /// <summary>The session's stream; null once the call has left the peer's table.</summary>
    public SessionStream? Stream;
    public byte[]? Partial;
    public int PartialLength;
    /// <summary>Bytes of the last message that came in parts. The next one's memory is for as many, so no sender can make it more than twice what was sent.</summary>
    public int LastLength;
    public int PartCredit;
    public int PartFrames;
    /// <summary>Whether <see cref="AssemblyBudget"/> has a place for its message: the part, or the first of the received.</summary>
    public bool HasSlot;
    public bool AwaitsSlot;
    /// <summary>A reader waits for the next message of the stream.</summary>
    public bool ReaderWaits;
    public bool RequestTaken;
    /// <summary>The owner did not take the call: it is told nothing more of it.</summary>
    public bool IsRefused;

    public override StreamClass StreamClass => Stream!.Class;

    public override bool IsOver => Stream is null;

    public override bool CanWrite => Stream is { CanWrite: true } && !OwnDone;

    /// <summary>The next message is taken the moment it is whole: it waits for no reader.</summary>
    public bool IsWanted => !IsStream || ReaderWaits || (IsIncoming && !RequestTaken);

    /// <summary>Adds to the part; its memory is made for at most <paramref name="most"/> bytes before as many have come.</summary>
    public void AppendPartial(ReadOnlySpan<byte> data, int most)
    {
        if (Partial is null || Partial.Length - PartialLength < data.Length)
        {
            var wanted = Math.Min(Partial is null ? LastLength : 2 * PartialLength, most);
            var next = ArrayPool<byte>.Shared.Rent(Math.Max(PartialLength + data.Length, wanted));
            Partial.AsSpan(0, PartialLength).CopyTo(next);
            ReturnPartial();
            Partial = next;
        }

        data.CopyTo(Partial.AsSpan(PartialLength));
        PartialLength += data.Length;
    }

    public void ReturnPartial()
    {
        if (Partial is { } part)
        {
            Partial = null;
            ArrayPool<byte>.Shared.Return(part);
        }
    }

    internal override void Reuse(bool isIncoming, bool isStream, object? state)
    {
        base.Reuse(isIncoming, isStream, state);
        RequestTaken = IsRefused = ReaderWaits = false;
        PartialLength = PartCredit = PartFrames = LastLength = 0;
    }

    internal override void Release()
    {
        ReturnPartial();
        base.Release();
    }
}
