using System.Buffers;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>A whole message in a pooled buffer, with the credit that reading it gives back.</summary>
/// <param name="Buffer">Of the shared array pool.</param>
/// <param name="Length">Bytes of the message.</param>
/// <param name="Credit">Bytes that reading it gives back to its sender.</param>
/// <param name="Frames">Frames that it came in.</param>
public readonly record struct RpcMessage(byte[] Buffer, int Length, int Credit, int Frames);

/// <summary>
/// One call, on either side, as its owner sees it. Pooled by its <see cref="ICallPeer"/>: the owner must not touch it after the call's last event.
/// </summary>
public abstract class RpcCall
{
    private readonly bool _wipes;
    internal long Deadline;
    /// <summary>The deadline once the peer has answered, 0 for none.</summary>
    internal long FinalDeadline;
    /// <summary><see cref="Deadline"/> is for the peer's first message only.</summary>
    internal bool AwaitsAnswer;
    internal RpcCall? WheelPrevious;
    internal RpcCall? WheelNext;
    internal int WheelSlot = -1;
    internal Memory<byte> WriteBuffer;
    internal readonly Queue<RpcMessage> Received = new();

    /// <param name="buffers">Where write buffers come from.</param>
    /// <param name="wipes">Whether a write buffer is overwritten before it goes back to the pool.</param>
    private protected RpcCall(BufferPool buffers, bool wipes) => (Buffers, _wipes) = (buffers, wipes);

    /// <summary>Where the memory for its messages comes from.</summary>
    private protected BufferPool Buffers { get; }

    /// <summary>The owner's object.</summary>
    public object? State { get; set; }
    /// <summary>Priority class.</summary>
    public abstract StreamClass StreamClass { get; }
    /// <summary>The peer made this call.</summary>
    public bool IsIncoming { get; private set; }
    /// <summary>Messages flow both ways until each side ends; else one request, one reply.</summary>
    public bool IsStream { get; private set; }
    /// <summary>The peer's direction ended.</summary>
    public bool PeerDone { get; internal set; }
    /// <summary>Our direction ended.</summary>
    public bool OwnDone { get; internal set; }
    /// <summary>How the call ended, once it has (outgoing calls, or a call that was cancelled).</summary>
    public RpcStatus? Status { get; internal set; }
    /// <summary>Counts uses of this pooled object, so that a late cancel cannot hit its next user.</summary>
    public int Version { get; internal set; }
    /// <summary>The call has left the peer's table.</summary>
    public abstract bool IsOver { get; }
    /// <summary>A message may be written.</summary>
    public abstract bool CanWrite { get; }
    /// <summary>A whole message waits to be read.</summary>
    public bool HasMessage => Received.Count > 0;

    /// <summary>A buffer for the next message to write; it is given back when the message was taken.</summary>
    public Span<byte> RentWriteBuffer(int size)
    {
        ReturnWriteBuffer();
        WriteBuffer = Buffers.Rent(Math.Max(size, 1));
        return WriteBuffer.Span[..size];
    }

    internal void ReturnWriteBuffer()
    {
        if (!WriteBuffer.IsEmpty)
        {
            var buffer = WriteBuffer;
            WriteBuffer = default;
            Buffers.Return(buffer, _wipes);
        }
    }

    internal virtual void Reuse(bool isIncoming, bool isStream, object? state)
    {
        (IsIncoming, IsStream, State) = (isIncoming, isStream, state);
        PeerDone = OwnDone = AwaitsAnswer = false;
        Status = null;
        Deadline = FinalDeadline = 0;
        Version++;
    }

    /// <summary>Gives all pooled memory back.</summary>
    internal virtual void Release()
    {
        ReturnWriteBuffer();
        while (Received.TryDequeue(out var message))
        {
            ArrayPool<byte>.Shared.Return(message.Buffer);
        }
    }
}
