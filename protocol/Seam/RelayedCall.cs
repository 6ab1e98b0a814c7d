using System.Buffers.Binary;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>A call as the worker keeps it: the session's, and its number between the two processes.</summary>
/// <param name="id">That number.</param>
/// <param name="buffers">Where memory for writes comes from.</param>
internal sealed class RelayedCall(uint id, ArenaPool buffers)
{
    /// <summary>Flags u16, then whether it is a status.</summary>
    private const int WriteHead = 4;

    private readonly BlockQueue _writes = new(buffers);

    public uint Id { get; } = id;

    /// <summary>The session's call; another one has it once this has left the relay's table.</summary>
    public RpcCall Call { get; set; } = null!;

    /// <summary>Messages flow both ways until each side ends.</summary>
    public bool IsStream { get; set; }

    /// <summary>The method of a guest's call, until its request has come.</summary>
    public byte[] Method { get; set; } = [];

    /// <summary>Milliseconds that the guest gave its call, 0 for no limit.</summary>
    public uint DeadlineMs { get; set; }

    /// <summary>Bytes of the write that the session takes at present.</summary>
    public int Writing { get; set; }

    /// <summary>The supervisor was told that the guest's direction has ended.</summary>
    public bool IsEndTold { get; set; }

    /// <summary>Writes of the supervisor wait for an earlier one.</summary>
    public bool HasWrites => _writes.Count > 0;

    /// <summary>Keeps a message for later.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public void Keep(ReadOnlySpan<byte> message, DataFlags flags) => message.CopyTo(Add(message.Length, flags, isStatus: false));

    /// <summary>Keeps the end of the call for later.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public void Keep(in RpcStatus status)
    {
        Span<byte> bytes = stackalloc byte[RpcStatus.MaxSize];
        bytes = bytes[..status.Write(bytes)];
        bytes.CopyTo(Add(bytes.Length, DataFlags.Fin, isStatus: true));
    }

    /// <summary>Takes the next write out: its message, whose memory goes back to the pool, or a status.</summary>
    public bool TryNext(out Memory<byte> block, out Memory<byte> message, out DataFlags flags, out RpcStatus? status)
    {
        (message, flags, status) = (default, DataFlags.None, null);
        if (!_writes.TryPeek(out block))
        {
            return false;
        }

        _writes.Remove();
        flags = (DataFlags)BinaryPrimitives.ReadUInt16LittleEndian(block.Span);
        message = block[WriteHead..];
        if (block.Span[2] != 0)
        {
            StateReader.Require(RpcStatus.TryRead(message.Span, out var read), "a status that is not one");
            status = read;
        }

        return true;
    }

    /// <summary>Gives all memory back.</summary>
    /// <param name="wipes">Whether it is overwritten before.</param>
    public void Release(bool wipes) => _writes.Clear(wipes);

    public void Save(ref StateWriter state)
    {
        state.UInt32(Id);
        state.Bytes(Method);
        state.UInt32(DeadlineMs);
        state.Int32(Writing);
        state.Flag(IsEndTold);
        _writes.Save(ref state);
    }

    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public static RelayedCall Load(ref StateReader state, ArenaPool buffers)
    {
        var call = new RelayedCall(state.UInt32(), buffers)
        {
            Method = state.Bytes(RpcHeader.MaxMethod).ToArray(),
            DeadlineMs = state.UInt32(),
            Writing = state.Count(),
            IsEndTold = state.Flag(),
        };
        call._writes.Load(ref state);
        return call;
    }

    private Span<byte> Add(int length, DataFlags flags, bool isStatus)
    {
        var block = _writes.Add(WriteHead + length);
        BinaryPrimitives.WriteUInt16LittleEndian(block, (ushort)flags);
        block[2] = isStatus ? (byte)1 : (byte)0;
        return block[WriteHead..];
    }
}
