using System.Buffers.Binary;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// Blocks in the order in which they came, in memory that outlives the process: each says where the next is, so that a state has to hold
/// the place of the first alone, and how many there are.
/// </summary>
/// <param name="buffers">The memory.</param>
internal sealed class BlockQueue(ArenaPool buffers)
{
    /// <summary>Length of the content i32, zero i32, place of the next block i64, its length i32, zero i32.</summary>
    private const int Head = 24;

    private readonly Queue<Memory<byte>> _blocks = new();
    private Memory<byte> _last;

    public int Count => _blocks.Count;

    /// <summary>Adds a block of so many bytes, which the caller fills.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public Span<byte> Add(int length)
    {
        var block = buffers.Rent(Head + length)[..(Head + length)];
        block.Span[..Head].Clear();
        BinaryPrimitives.WriteInt32LittleEndian(block.Span, length);
        if (Count > 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(_last.Span[8..], buffers.OffsetOf(block));
            BinaryPrimitives.WriteInt32LittleEndian(_last.Span[16..], block.Length);
        }

        _blocks.Enqueue(block);
        _last = block;
        return block.Span[Head..];
    }

    /// <summary>The first block's content.</summary>
    public bool TryPeek(out Memory<byte> content)
    {
        var isThere = _blocks.TryPeek(out var block);
        content = isThere ? block[Head..] : default;
        return isThere;
    }

    /// <summary>Takes the first block out. Its memory is the caller's to return, by any piece of its content.</summary>
    public void Remove() => _blocks.Dequeue();

    /// <summary>All contents, the first before the others.</summary>
    public IEnumerable<Memory<byte>> All
    {
        get
        {
            foreach (var block in _blocks)
            {
                yield return block[Head..];
            }
        }
    }

    /// <summary>Gives all memory back.</summary>
    /// <param name="wipes">Whether it is overwritten before.</param>
    public void Clear(bool wipes)
    {
        while (_blocks.TryDequeue(out var block))
        {
            buffers.Return(block, wipes);
        }
    }

    public void Save(ref StateWriter state)
    {
        state.Int32(Count);
        state.Buffer(Count == 0 ? default : _blocks.Peek());
    }

    /// <exception cref="Errors.ChannelException">It is not one (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public void Load(ref StateReader state)
    {
        var count = state.Count();
        var block = state.Buffer();
        StateReader.Require(count == 0 == block.IsEmpty, "a queue without its first block");
        for (; count > 0; count--)
        {
            StateReader.Require(block.Length >= Head && BinaryPrimitives.ReadInt32LittleEndian(block.Span) == block.Length - Head, "a block of another length");
            _blocks.Enqueue(block);
            _last = block;
            if (count > 1)
            {
                block = buffers.Adopt(BinaryPrimitives.ReadInt64LittleEndian(block.Span[8..]), BinaryPrimitives.ReadInt32LittleEndian(block.Span[16..]));
            }
        }
    }
}
