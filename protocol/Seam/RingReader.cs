using System.Runtime.InteropServices;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Seam;

/// <summary>Reads records from shared memory. A record's head is a copy; its data are in the memory that the other process can write, and are to be copied before they are checked.</summary>
/// <param name="ring">The memory.</param>
/// <param name="wipes">Whether data are overwritten once they were read: the memory is not used again for long.</param>
internal sealed class RingReader(RingMemory ring, bool wipes)
{
    private ulong _head;
    private ulong _tail;
    private ulong _released;
    private int _room;
    private Memory<byte> _data;

    /// <summary>Whether the writer's position is another than the reader's.</summary>
    public bool HasRecords => ring.Head != _tail;

    /// <summary>Where the next record is: all before it was read.</summary>
    public ulong Position => _tail;

    /// <summary>Goes on where another process was.</summary>
    /// <param name="position">As <see cref="Position"/>.</param>
    public void Resume(ulong position)
    {
        (_head, _tail, _released) = (position, position, ring.Tail);
        if (_released > position || position - _released > (ulong)ring.Capacity)
        {
            throw RingMemory.Broken($"a reader's position of {_released}, where it was {position}");
        }

        _ = Release();
    }

    /// <summary>The data of the record that was peeked at, until <see cref="Advance"/>.</summary>
    public ReadOnlyMemory<byte> UntrustedData => _data;

    /// <summary>The next record, which stays until <see cref="Advance"/>.</summary>
    /// <exception cref="ChannelException">It is not one (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public bool TryPeek(out SeamRecord record)
    {
        while (true)
        {
            record = default;
            if (_tail == _head && ReadHead() == _tail)
            {
                return false;
            }

            var place = ring.PlaceOf(_tail);
            var memory = ring.Records[place..];
            record = MemoryMarshal.Read<SeamRecord>(memory.Span);
            if (record.Kind == SeamKind.Skip)
            {
                Move(memory.Length, "a gap");
                continue;
            }

            var most = (int)Math.Min((ulong)memory.Length, _head - _tail) - SeamRecord.Size;
            if ((uint)record.Length > (uint)most)
            {
                throw RingMemory.Broken($"a record of {record.Length} bytes where {most} are left");
            }

            _room = SeamRecord.Room(record.Length);
            _data = memory.Slice(SeamRecord.Size, record.Length);
            return true;
        }
    }

    /// <summary>The record that was peeked at is done with.</summary>
    public void Advance()
    {
        _data = default;
        Move(_room, "a record");
    }

    /// <summary>Shows the writer what was read. True: it waits for room, and is to be woken.</summary>
    public bool Release()
    {
        if (wipes)
        {
            // Not before: a process that goes on for this one reads it again.
            Wipe();
        }

        ring.Tail = _released = _tail;
        return ring.TryWakeWriter();
    }

    /// <summary>Says that this side sleeps. False: there is a record meanwhile, and it does not.</summary>
    /// <exception cref="ChannelException">The writer's position is impossible (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public bool TrySleep()
    {
        ring.SetReaderSleeps(true);
        if (ReadHead() == _tail)
        {
            return true;
        }

        ring.SetReaderSleeps(false);
        return false;
    }

    private void Wipe()
    {
        var (start, length) = (ring.PlaceOf(_released), (int)(_tail - _released));
        var first = Math.Min(length, ring.Capacity - start);
        ring.Records.Span.Slice(start, first).Clear();
        ring.Records.Span[..(length - first)].Clear();
    }

    private void Move(int bytes, string what)
    {
        if ((ulong)bytes > _head - _tail)
        {
            throw RingMemory.Broken($"{what} that goes beyond the writer's position");
        }

        _tail += (ulong)bytes;
    }

    private ulong ReadHead()
    {
        var untrusted = ring.Head;
        if (untrusted < _head || untrusted - _tail > (ulong)ring.Capacity || untrusted % SeamRecord.Size != 0)
        {
            throw RingMemory.Broken($"a writer's position of {untrusted}, where the reader's is {_tail}");
        }

        return _head = untrusted;
    }
}
