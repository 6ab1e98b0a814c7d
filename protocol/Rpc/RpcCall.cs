using System.Buffers;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>A whole message in a pooled buffer, with the credit that reading it gives back.</summary>
/// <param name="Buffer">Of the shared array pool.</param>
/// <param name="Length">Bytes of the message.</param>
/// <param name="Credit">Bytes that reading it gives back to its sender.</param>
/// <param name="Frames">Frames that it came in.</param>
public readonly record struct RpcMessage(byte[] Buffer, int Length, int Credit, int Frames);

/// <summary>
/// One call, on either side. Pooled by <see cref="RpcPeer"/>: its owner must not touch it after the call's last event.
/// </summary>
public sealed class RpcCall
{
    private readonly bool _wipes;
    /// <summary>The session's stream; null once the call has left the peer's table.</summary>
    public SessionStream? Stream { get; internal set; }
    internal long Deadline;
    /// <summary>The deadline once the peer has answered, 0 for none.</summary>
    internal long FinalDeadline;
    /// <summary><see cref="Deadline"/> is for the peer's first message only.</summary>
    internal bool AwaitsAnswer;
    internal RpcCall? WheelPrevious;
    internal RpcCall? WheelNext;
    internal int WheelSlot = -1;
    internal byte[]? Partial;
    internal int PartialLength;
    /// <summary>Bytes of the last message that came in parts. The next one's memory is for as many, so no sender can make it more than twice what was sent.</summary>
    internal int LastLength;
    internal int PartCredit;
    internal int PartFrames;
    /// <summary>Whether <see cref="AssemblyBudget"/> has a place for its message: the part, or the first of <see cref="Received"/>.</summary>
    internal bool HasSlot;
    internal bool AwaitsSlot;
    /// <summary>A reader waits for the next message of the stream.</summary>
    internal bool ReaderWaits;
    internal byte[]? WriteBuffer;
    internal readonly Queue<RpcMessage> Received = new();
    internal bool RequestTaken;
    /// <summary>The owner did not take the call: it is told nothing more of it.</summary>
    internal bool IsRefused;

    /// <param name="wipes">Whether a write buffer is overwritten before it goes back to the pool.</param>
    internal RpcCall(bool wipes) => _wipes = wipes;

    /// <summary>The owner's object.</summary>
    public object? State { get; set; }
    /// <summary>The peer made this call.</summary>
    public bool IsIncoming { get; internal set; }
    /// <summary>Messages flow both ways until each side ends; else one request, one reply.</summary>
    public bool IsStream { get; internal set; }
    /// <summary>The peer's direction ended.</summary>
    public bool PeerDone { get; internal set; }
    /// <summary>Our direction ended.</summary>
    public bool OwnDone { get; internal set; }
    /// <summary>How the call ended, once it has (outgoing calls, or a call that was cancelled).</summary>
    public RpcStatus? Status { get; internal set; }
    /// <summary>Counts uses of this pooled object, so that a late cancel cannot hit its next user.</summary>
    public int Version { get; internal set; }
    /// <summary>The call has left the peer's table.</summary>
    public bool IsOver => Stream is null;
    /// <summary>A message may be written.</summary>
    public bool CanWrite => Stream is { CanWrite: true } && !OwnDone;
    /// <summary>The next message is taken the moment it is whole: it waits for no reader.</summary>
    internal bool IsWanted => !IsStream || ReaderWaits || (IsIncoming && !RequestTaken);
    /// <summary>A whole message waits to be read.</summary>
    public bool HasMessage => Received.Count > 0;

    /// <summary>A buffer for the next message to write; it is given back when the message was taken.</summary>
    public Span<byte> RentWriteBuffer(int size)
    {
        ReturnWriteBuffer();
        WriteBuffer = ArrayPool<byte>.Shared.Rent(Math.Max(size, 1));
        return WriteBuffer.AsSpan(0, size);
    }

    internal void ReturnWriteBuffer()
    {
        if (WriteBuffer is { } buffer)
        {
            WriteBuffer = null;
            ArrayPool<byte>.Shared.Return(buffer, clearArray: _wipes);
        }
    }

    /// <summary>Adds to the part; its memory is made for at most <paramref name="most"/> bytes before as many have come.</summary>
    internal void AppendPartial(ReadOnlySpan<byte> data, int most)
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

    internal void ReturnPartial()
    {
        if (Partial is { } part)
        {
            Partial = null;
            ArrayPool<byte>.Shared.Return(part);
        }
    }

    internal void Reuse(bool isIncoming, bool isStream, object? state)
    {
        (IsIncoming, IsStream, State) = (isIncoming, isStream, state);
        PeerDone = OwnDone = RequestTaken = IsRefused = AwaitsAnswer = ReaderWaits = false;
        Status = null;
        Deadline = FinalDeadline = 0;
        PartialLength = PartCredit = PartFrames = LastLength = 0;
        Version++;
    }

    /// <summary>Gives all pooled memory back.</summary>
    internal void Release()
    {
        ReturnPartial();
        ReturnWriteBuffer();
        while (Received.TryDequeue(out var message))
        {
            ArrayPool<byte>.Shared.Return(message.Buffer);
        }
    }
}
