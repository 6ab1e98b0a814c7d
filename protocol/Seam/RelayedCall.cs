using System.Buffers;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Seam;

/// <summary>A call as the worker keeps it: the session's, and its number between the two processes.</summary>
/// <param name="id">That number.</param>
internal sealed class RelayedCall(uint id)
{
    private readonly Queue<PendingWrite> _writes = new();

    public uint Id { get; } = id;

    /// <summary>The session's call; another one has it once this has left the relay's table.</summary>
    public RpcCall Call { get; set; } = null!;

    /// <summary>Messages flow both ways until each side ends.</summary>
    public bool IsStream { get; init; }

    /// <summary>The method of a guest's call, until its request has come.</summary>
    public byte[] Method { get; set; } = [];

    /// <summary>Milliseconds that the guest gave its call, 0 for no limit.</summary>
    public uint DeadlineMs { get; set; }

    /// <summary>Bytes of the write that the session takes at present.</summary>
    public int Writing { get; set; }

    /// <summary>Credit and frames of the messages that the supervisor has not read.</summary>
    public Queue<(int Credit, int Frames)> Unread { get; } = new();

    /// <summary>The supervisor was told that the guest's direction has ended.</summary>
    public bool IsEndTold { get; set; }

    /// <summary>Writes of the supervisor wait for an earlier one.</summary>
    public bool HasWrites => _writes.Count > 0;

    /// <summary>Keeps a message for later.</summary>
    public void Keep(ReadOnlySpan<byte> message, DataFlags flags)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, message.Length));
        message.CopyTo(buffer);
        _writes.Enqueue(new PendingWrite(buffer, message.Length, flags, null));
    }

    /// <summary>Keeps the end of the call for later.</summary>
    public void Keep(in RpcStatus status) => _writes.Enqueue(new PendingWrite(null, 0, DataFlags.Fin, status));

    public bool TryNext(out PendingWrite write) => _writes.TryDequeue(out write);

    /// <summary>Gives all pooled memory back.</summary>
    /// <param name="wipes">Whether it is overwritten before.</param>
    public void Release(bool wipes)
    {
        while (_writes.TryDequeue(out var write))
        {
            if (write.Buffer is { } buffer)
            {
                ArrayPool<byte>.Shared.Return(buffer, clearArray: wipes);
            }
        }
    }

    /// <summary>A message in a pooled buffer, or a status.</summary>
    internal readonly record struct PendingWrite(byte[]? Buffer, int Length, DataFlags Flags, RpcStatus? Status);
}
