using System.Runtime.InteropServices;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>A call over a stream of a session, for <see cref="RpcPeer"/>.</summary>
/// <param name="buffers">Where its memory comes from.</param>
/// <param name="wipes">Whether a write buffer is overwritten before it goes back to the pool.</param>
internal sealed class SessionCall(BufferPool buffers, bool wipes) : RpcCall(buffers, wipes)
{
    /// <summary>The session's stream; null once the call has left the peer's table.</summary>
    public SessionStream? Stream;
    public Memory<byte> Partial;
    public int PartialLength;
    /// <summary>Bytes of the last message that came in parts. The next one's memory is for as many, so no sender can make it more than twice what was sent.</summary>
    public int LastLength;
    public int PartCredit;
    public int PartFrames;
    /// <summary>Credit of messages that the handler took and has not given back, and the frames that they came in.</summary>
    public (int Credit, int Frames) Unread;
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
        if (Partial.Length - PartialLength < data.Length)
        {
            var wanted = Math.Min(Partial.IsEmpty ? LastLength : 2 * PartialLength, most);
            var next = Buffers.Rent(Math.Max(PartialLength + data.Length, wanted));
            Partial[..PartialLength].CopyTo(next);
            ReturnPartial();
            Partial = next;
        }

        data.CopyTo(Partial.Span[PartialLength..]);
        PartialLength += data.Length;
    }

    public void ReturnPartial()
    {
        if (!Partial.IsEmpty)
        {
            var part = Partial;
            Partial = default;
            Buffers.Return(part, wipes: false);
        }
    }

    /// <summary>Gives the part's memory away as that of a whole message, if it is an array of the shared pool.</summary>
    public bool TryTakePartial(out byte[] array)
    {
        array = !Partial.IsEmpty && MemoryMarshal.TryGetArray((ReadOnlyMemory<byte>)Partial, out var part) ? part.Array! : [];
        if (array.Length == 0)
        {
            return false;
        }

        Partial = default;
        return true;
    }

    internal override void Reuse(bool isIncoming, bool isStream, object? state)
    {
        base.Reuse(isIncoming, isStream, state);
        RequestTaken = IsRefused = ReaderWaits = false;
        PartialLength = PartCredit = PartFrames = LastLength = 0;
        Unread = default;
    }

    internal override void Release()
    {
        ReturnPartial();
        base.Release();
    }
}
