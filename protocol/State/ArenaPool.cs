using System.Numerics;
using System.Runtime.InteropServices;

namespace ChannelSdk.Protocol.State;

/// <summary>
/// Blocks of one memory that outlives the process, so that what refers to them is a number. What is given back stays as it is until
/// <see cref="Settle"/>, as the state that was committed last may refer to it. Each size has a part of the memory to itself; what was never
/// used takes no pages.
/// </summary>
internal sealed class ArenaPool : BufferPool
{
    private const int SmallestBits = 8;
    private const int PageSize = 4096;

    private readonly Memory<byte> _memory;
    private readonly int _start;
    private readonly int _part;
    private readonly Size[] _sizes;
    private readonly List<(int Size, int Index, bool Wipes)> _returned = [];

    /// <param name="memory">The memory, of <see cref="BytesFor"/>.</param>
    /// <param name="largest">Bytes of the largest block.</param>
    public ArenaPool(Memory<byte> memory, int largest)
    {
        (_memory, _sizes) = (memory, new Size[SizesFor(largest)]);
        _start = StartOf(memory);
        _part = memory.Length / _sizes.Length & ~(PageSize - 1);
        for (var i = 0; i < _sizes.Length; i++)
        {
            _sizes[i] = new Size(_part >> (SmallestBits + i));
        }
    }

    public override bool DefersReuse => true;

    /// <summary>Blocks that are in use.</summary>
    public int InUse => _sizes.Sum(static size => size.InUse) - _returned.Count;

    /// <summary>Bytes of memory for so many bytes that are in use at once.</summary>
    /// <param name="most">Those bytes.</param>
    /// <param name="largest">Bytes of the largest block.</param>
    public static long BytesFor(long most, int largest)
    {
        // A block is less than twice what it was rented for.
        var whole = (long)BitOperations.RoundUpToPowerOf2((uint)largest);
        return SizesFor(largest) * ((2 * most + whole - 1) / whole * whole);
    }

    /// <inheritdoc/>
    /// <exception cref="InsufficientMemoryException">So much is in use.</exception>
    public override Memory<byte> Rent(int size)
    {
        var number = NumberOf(size);
        if (!_sizes[number].TryTake(out var index))
        {
            throw new InsufficientMemoryException($"all blocks of {1 << (SmallestBits + number)} bytes are in use");
        }

        return Block(number, index);
    }

    /// <inheritdoc/>
    public override void Return(Memory<byte> buffer, bool wipes)
    {
        if (!buffer.IsEmpty)
        {
            var (number, index) = Place(OffsetOf(buffer));
            _returned.Add((number, index, wipes));
        }
    }

    /// <summary>A state was committed that refers to nothing of what was given back before.</summary>
    public void Settle()
    {
        foreach (var (number, index, wipes) in _returned)
        {
            if (wipes)
            {
                Block(number, index).Span.Clear();
            }

            _sizes[number].Free.Push(index);
        }

        _returned.Clear();
    }

    /// <summary>Gives the pages of sizes back of which nothing is in use, and nothing was since the last call.</summary>
    /// <param name="release">Gives the pages of a memory back, whose content is lost with that.</param>
    public void Trim(Action<Memory<byte>> release)
    {
        for (var number = 0; number < _sizes.Length; number++)
        {
            if (_sizes[number].TryTrim(out var used))
            {
                release(_memory.Slice(number * _part, used << (SmallestBits + number)));
            }
        }
    }

    /// <summary>Where a piece of a block is.</summary>
    public long OffsetOf(ReadOnlyMemory<byte> buffer) => StartOf(buffer) - _start;

    /// <summary>Takes a piece of a block that a state refers to, whose block is in use with that.</summary>
    /// <param name="untrustedOffset">What <see cref="OffsetOf"/> gave.</param>
    /// <param name="length">Bytes, from 1 on.</param>
    /// <exception cref="Errors.ChannelException">There is no such piece, or its block is in use (<see cref="Errors.ChannelError.WorkerFailed"/>).</exception>
    public Memory<byte> Adopt(long untrustedOffset, int length)
    {
        StateReader.Require(untrustedOffset >= 0 && length > 0 && untrustedOffset + length <= (long)_part * _sizes.Length, "memory that is not there");
        var (number, index) = Place(untrustedOffset);
        StateReader.Require(index < _sizes[number].Most && Place(untrustedOffset + length - 1) == (number, index), "memory that is not of one block");
        StateReader.Require(_sizes[number].Adopted.Add(index), "memory that is in use twice");
        return _memory.Slice((int)untrustedOffset, length);
    }

    /// <summary>All pieces were taken that a state refers to: the other blocks are free.</summary>
    public void EndAdoption()
    {
        foreach (var size in _sizes)
        {
            size.EndAdoption();
        }
    }

    private static int SizesFor(int largest) => 1 + NumberOf(largest);

    private static int NumberOf(int size) => Math.Max(0, BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, size))) - SmallestBits);

    private static int StartOf(ReadOnlyMemory<byte> memory)
    {
        if (MemoryMarshal.TryGetArray(memory, out var array))
        {
            return array.Offset;
        }

        return MemoryMarshal.TryGetMemoryManager<byte, System.Buffers.MemoryManager<byte>>(memory, out _, out var start, out _) ? start : 0;
    }

    private (int Number, int Index) Place(long offset)
    {
        var number = (int)(offset / _part);
        return (number, (int)(offset % _part) >> (SmallestBits + number));
    }

    private Memory<byte> Block(int number, int index) => _memory.Slice(number * _part + (index << (SmallestBits + number)), 1 << (SmallestBits + number));

    /// <param name="most">How many blocks there are.</param>
    private sealed class Size(int most)
    {
        private int _used;
        private bool _wasUsed;

        public int Most => most;

        public int InUse => _used - Free.Count;

        /// <summary>Blocks that were used before and are free.</summary>
        public Stack<int> Free { get; } = new();

        public HashSet<int> Adopted { get; } = [];

        /// <summary>Begins again from nothing, if nothing is in use and was since the last call; tells how many blocks there were.</summary>
        public bool TryTrim(out int used)
        {
            var isIdle = !_wasUsed && InUse == 0 && _used > 0;
            _wasUsed = false;
            used = isIdle ? _used : 0;
            if (isIdle)
            {
                Free.Clear();
                _used = 0;
            }

            return isIdle;
        }

        public bool TryTake(out int index)
        {
            _wasUsed = true;
            if (Free.TryPop(out index))
            {
                return true;
            }

            index = _used;
            _used += _used < most ? 1 : 0;
            return index < most;
        }

        public void EndAdoption()
        {
            _used = Adopted.Count == 0 ? 0 : Adopted.Max() + 1;
            for (var index = _used - 1; index >= 0; index--)
            {
                if (!Adopted.Contains(index))
                {
                    Free.Push(index);
                }
            }

            Adopted.Clear();
        }
    }
}
