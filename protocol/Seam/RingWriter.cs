using System.Runtime.InteropServices;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Seam;

/// <summary>Writes records into shared memory. It never waits: what has no room is told to its caller.</summary>
/// <param name="ring">The memory.</param>
internal sealed class RingWriter(RingMemory ring)
{
    /// <summary>An empty ring is begun again from here on, so that an idle instance touches few pages.</summary>
    private const int RewindFrom = 16 << 10;

    /// <summary>Any other from here on, if what was not read leaves room, so that a busy one's memory stays in the processor's cache.</summary>
    private const int TurnFrom = 512 << 10;

    private ulong _head;
    private ulong _tail;
    private int _place;
    private ChannelException? _broken;

    /// <summary>Most bytes of data of one record: two of them fit.</summary>
    public int MostData => ring.Capacity / 2 - SeamRecord.Size;

    /// <summary>Something was written since the last <see cref="Publish"/>.</summary>
    public bool HasUnpublished { get; private set; }

    /// <summary>Where the reader is, of what was written.</summary>
    public (ulong Read, ulong Written) Progress => (ReadTail(), _head);

    /// <summary>Where the next record will be written: all before it is whole.</summary>
    public ulong Position => _head;

    /// <summary>Goes on where another process was, and shows the reader all before.</summary>
    /// <param name="position">As <see cref="Position"/>.</param>
    /// <exception cref="ChannelException">The other process has shown what it had not kept, or the reader's position is impossible (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Resume(ulong position)
    {
        if (ring.Head > position)
        {
            throw RingMemory.Broken($"a writer's position of {ring.Head}, where it was {position}");
        }

        _head = position;
        _ = ReadTail();
        ThrowIfBroken();
        ring.Head = position;
    }

    /// <summary>Whether the reader's position is another than when there was no room, be it right or not.</summary>
    public bool HasReaderMoved => ring.Tail != _tail;

    /// <summary>Room for a record, of which <see cref="Commit"/> makes one.</summary>
    /// <param name="length">Bytes of its data, at most <see cref="MostData"/>.</param>
    /// <param name="spare">Bytes that must be free behind it, for records that may not wait.</param>
    /// <param name="data">Where its data go.</param>
    /// <returns>False: there is none, and the reader wakes this side once there is more.</returns>
    public bool TryBegin(int length, int spare, out Span<byte> data)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MostData);
        if (TryPlace(length, spare) || WaitsFor(length, spare))
        {
            data = ring.Records.Span.Slice(_place + SeamRecord.Size, length);
            return true;
        }

        data = default;
        return false;
    }

    /// <summary>Ends the record that was begun.</summary>
    public void Commit(in SeamRecord record)
    {
        MemoryMarshal.Write(ring.Records.Span[_place..], record);
        _head += (ulong)SeamRecord.Room(record.Length);
        HasUnpublished = true;
    }

    /// <summary>Shows the reader what was written. True: it sleeps, and is to be woken.</summary>
    public bool Publish()
    {
        HasUnpublished = false;
        ring.Head = _head;
        // The reader says that it sleeps before it looks a last time; this looks at that after the head was written.
        return ring.TryWakeReader();
    }

    /// <summary>Tells that the reader's position was impossible: to what ends the other process, and not to a call that has only written.</summary>
    /// <exception cref="ChannelException">It was (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void ThrowIfBroken()
    {
        if (_broken is not null)
        {
            throw _broken;
        }
    }

    /// <summary>Says that this side waits for room, and looks again, as some may have come meanwhile.</summary>
    private bool WaitsFor(int length, int spare)
    {
        ring.SetWriterWaits();
        return TryPlace(length, spare);
    }

    private bool TryPlace(int length, int spare)
    {
        var room = SeamRecord.Room(length);
        _place = ring.PlaceOf(_head);
        var rest = ring.Capacity - _place;
        if ((_place >= RewindFrom && ReadTail() == _head && room + spare <= _place) || (_place >= TurnFrom && IsFree(rest + room + spare)))
        {
            Skip();
            rest = ring.Capacity;
        }

        if (rest < room)
        {
            if (!IsFree(rest + room + spare))
            {
                return false;
            }

            Skip();
            return true;
        }

        return IsFree(room + spare);
    }

    private bool IsFree(int bytes) =>
        ring.Capacity - (long)(_head - _tail) >= bytes || ring.Capacity - (long)(_head - ReadTail()) >= bytes;

    private void Skip()
    {
        MemoryMarshal.Write(ring.Records.Span[_place..], new SeamRecord { Kind = SeamKind.Skip });
        _head += (ulong)(ring.Capacity - _place);
        _place = 0;
    }

    private ulong ReadTail()
    {
        var untrusted = ring.Tail;
        if (untrusted < _tail || untrusted > _head || untrusted % SeamRecord.Size != 0)
        {
            // As if nothing more was read, until that is told.
            _broken ??= RingMemory.Broken($"a reader's position of {untrusted}, where the writer's is {_head}");
            return _tail;
        }

        return _tail = untrusted;
    }
}
