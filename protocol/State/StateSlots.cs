using System.Buffers.Binary;

namespace ChannelSdk.Protocol.State;

/// <summary>
/// Small pieces of a state that change together or not at all. Each slot has two places; a change writes the one that is not valid, with
/// the number that is committed next, so that one write of <see cref="StateMemory.Committed"/> makes all of it valid. A process that ends
/// before leaves what was.
/// </summary>
internal sealed class StateSlots
{
    private const int Head = sizeof(ulong) + sizeof(int);

    private readonly StateMemory _memory;
    private readonly int _firstSize;
    private readonly int _size;
    private readonly List<Slot> _slots = [];
    private readonly Stack<int> _free = new();
    private ulong _next;

    /// <param name="memory">The memory.</param>
    /// <param name="firstSize">Most bytes of the first slot.</param>
    /// <param name="size">Most bytes of any other.</param>
    public StateSlots(StateMemory memory, int firstSize, int size)
    {
        (_memory, _firstSize, _size) = (memory, firstSize, size);
        _next = memory.Committed + 1;
        Count = 1 + (memory.Slots.Length - 2 * (Head + firstSize)) / (2 * (Head + size));
        _slots.Add(default);
    }

    /// <summary>Bytes of memory for so many slots, the first included.</summary>
    public static int BytesFor(int count, int firstSize, int size) => 2 * (Head + firstSize) + 2 * (count - 1) * (Head + size);

    /// <summary>How many there are.</summary>
    public int Count { get; }

    /// <summary>Takes a slot that is not in use.</summary>
    public int Allocate()
    {
        if (_free.TryPop(out var slot))
        {
            return slot;
        }

        if (_slots.Count == Count)
        {
            throw new InvalidOperationException($"all {Count} slots are in use");
        }

        _slots.Add(default);
        return _slots.Count - 1;
    }

    /// <summary>Gives a slot back: it is empty with the next commit.</summary>
    public void Free(int slot)
    {
        Put(slot, []);
        _free.Push(slot);
    }

    /// <summary>Writes a slot, for the next commit.</summary>
    public void Put(int slot, ReadOnlySpan<byte> content)
    {
        var state = _slots[slot];
        if (state.WrittenAt != _next)
        {
            state = new Slot(_next, 1 - state.Place);
            _slots[slot] = state;
        }

        var place = PlaceOf(slot, state.Place);
        BinaryPrimitives.WriteUInt64LittleEndian(place, _next);
        BinaryPrimitives.WriteInt32LittleEndian(place[sizeof(ulong)..], content.Length);
        content.CopyTo(place[Head..]);
    }

    /// <summary>What the slot has that was committed last; empty for nothing.</summary>
    public ReadOnlySpan<byte> Get(int slot)
    {
        var place = PlaceOf(slot, _slots[slot].Place);
        var length = BinaryPrimitives.ReadInt32LittleEndian(place[sizeof(ulong)..]);
        StateReader.Require(length >= 0 && length <= place.Length - Head, "a slot of another length");
        return place.Slice(Head, length);
    }

    /// <summary>All that was put since the last commit is valid from now on.</summary>
    public void Commit() => _memory.Committed = _next++;

    /// <summary>There is nothing to go on with.</summary>
    public void Forget() => _memory.Committed = 0;

    /// <summary>Takes up what another process has left, and gives the slots that are in use, the first one aside.</summary>
    public List<int> Resume()
    {
        var committed = _memory.Committed;
        _next = committed + 1;
        _slots.Clear();
        _free.Clear();
        var used = new List<int>();
        for (var slot = 0; slot < Count; slot++)
        {
            if (slot > 0 && Number(slot, 0) == 0 && Number(slot, 1) == 0)
            {
                // Slots are taken from the first on, so none behind this one was.
                break;
            }

            DropUncommitted(slot, committed);
            _slots.Add(new Slot(0, Number(slot, 0) >= Number(slot, 1) ? 0 : 1));
            if (slot > 0 && Get(slot).IsEmpty)
            {
                _free.Push(slot);
            }
            else if (slot > 0)
            {
                used.Add(slot);
            }
        }

        return used;
    }

    /// <summary>The number that a place was written with; 0 for none.</summary>
    private ulong Number(int slot, int place) => BinaryPrimitives.ReadUInt64LittleEndian(PlaceOf(slot, place));

    /// <summary>What was written for a change that was not committed is made void: the change's number comes again.</summary>
    private void DropUncommitted(int slot, ulong committed)
    {
        for (var place = 0; place < 2; place++)
        {
            if (Number(slot, place) > committed)
            {
                PlaceOf(slot, place)[..Head].Clear();
            }
        }

        if (Number(slot, 0) == 0 && Number(slot, 1) == 0)
        {
            // Empty, but used: there may be others behind it.
            BinaryPrimitives.WriteUInt64LittleEndian(PlaceOf(slot, 0), 1);
        }
    }

    private Span<byte> PlaceOf(int slot, int place)
    {
        var size = Head + (slot == 0 ? _firstSize : _size);
        var start = (slot == 0 ? 0 : 2 * (Head + _firstSize) + (slot - 1) * 2 * size) + place * size;
        return _memory.Slots.Span.Slice(start, size);
    }

    /// <param name="WrittenAt">The change that wrote it last.</param>
    /// <param name="Place">The place that it wrote, which is valid once that is committed.</param>
    private readonly record struct Slot(ulong WrittenAt, int Place);
}
