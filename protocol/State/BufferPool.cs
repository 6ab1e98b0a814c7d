using System.Buffers;
using System.Runtime.InteropServices;

namespace ChannelSdk.Protocol.State;

/// <summary>Where the memory for what is kept of a peer comes from, and goes back to.</summary>
internal abstract class BufferPool
{
    /// <summary>The process's pool of arrays.</summary>
    public static BufferPool Shared { get; } = new ArrayBuffers();

    /// <summary>Whether memory that was given back stays as it is for a time, and so may not be used again by its former owner either.</summary>
    public virtual bool DefersReuse => false;

    /// <summary>Gives memory of any content.</summary>
    /// <param name="size">Bytes, from 1 on; there may be more.</param>
    public abstract Memory<byte> Rent(int size);

    /// <summary>Takes back what <see cref="Rent"/> gave, of which this may be a part.</summary>
    /// <param name="buffer">The memory.</param>
    /// <param name="wipes">Whether it is overwritten first.</param>
    public abstract void Return(Memory<byte> buffer, bool wipes);

    private sealed class ArrayBuffers : BufferPool
    {
        public override Memory<byte> Rent(int size) => ArrayPool<byte>.Shared.Rent(size);

        public override void Return(Memory<byte> buffer, bool wipes)
        {
            if (MemoryMarshal.TryGetArray((ReadOnlyMemory<byte>)buffer, out var array))
            {
                ArrayPool<byte>.Shared.Return(array.Array!, clearArray: wipes);
            }
        }
    }
}
