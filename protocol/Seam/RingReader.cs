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
    private int _room;
    private Memory<byte> _data;

    /// <summary>Whether the writer's position is another than the reader's.</summary>
    public bool HasRecords => ring.Head != _tail;

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
        if (wipes)
        {
            _data.Span.Clear();
        }

        _data = default;
        Move(_room, "a record");
    }

    /// <summary>Shows the writer what was read. True: it waits for room, and is to be woken.</summary>
    public bool Release()
    {
        ring.Tail = _tail;
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
