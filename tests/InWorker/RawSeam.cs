using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.InWorker;

/// <summary>A record as a worker can write it (docs/SEAM.md), each field as it likes.</summary>
[StructLayout(LayoutKind.Sequential, Size = RawSeam.RecordBytes)]
internal struct RawRecord
{
    public UInt128 Id;
    public long First;
    public long Second;
    public uint Call;
    public int Length;
    public int Extra;
    public ushort Code;
    public byte Kind;
    public byte Bits;
}

/// <summary>The memory between a worker and its supervisor, written from the document and not by the product's code: nothing stops a lie.</summary>
/// <param name="memory">Its begin.</param>
/// <param name="capacity">Bytes of the records of each direction.</param>
/// <param name="bell">The socket that wakes the supervisor.</param>
internal sealed unsafe class RawSeam(byte* memory, long capacity, SafeFd bell)
{
    public const int RecordBytes = 64;
    private const int Page = 4096;
    private const int Line = 64;
    private const byte Skip = 255;
    // Another worker may have been there before.
    private ulong _read = *(ulong*)(memory + Line);

    /// <summary>Bytes of the records of each direction.</summary>
    public long Capacity => capacity;

    /// <summary>Where this worker writes next.</summary>
    public ulong Written { get; private set; } = *(ulong*)(memory + 4 * Line);

    /// <summary>The position that the supervisor is shown.</summary>
    public ref ulong Head => ref Word(4);

    /// <summary>How far the supervisor has read.</summary>
    public ref ulong Tail => ref Word(5);

    /// <summary>How far the supervisor is told that this worker has read.</summary>
    public ref ulong OwnTail => ref Word(1);

    /// <summary>The numbers that a worker counts.</summary>
    public Span<long> Figures => new(memory + 8 * Line, 8);

    /// <summary>The records of this direction.</summary>
    public Span<byte> Records => new(memory + Page + Capacity, (int)Capacity);

    /// <summary>Writes a record behind what is there, once there is room, without showing it.</summary>
    /// <param name="record">Its head, with any length.</param>
    /// <param name="data">What is really behind it.</param>
    public void Write(in RawRecord record, ReadOnlySpan<byte> data = default)
    {
        var room = (ulong)(RecordBytes + ((data.Length + RecordBytes - 1) & ~(RecordBytes - 1)));
        var rest = (ulong)Capacity - Written % (ulong)Capacity;
        Await(rest < room ? rest + room : room);
        if (rest < room)
        {
            Unsafe.WriteUnaligned(ref Records[(int)(Written % (ulong)Capacity)], new RawRecord { Kind = Skip });
            Written += rest;
        }

        var place = (int)(Written % (ulong)Capacity);
        Unsafe.WriteUnaligned(ref Records[place], record);
        data.CopyTo(Records[(place + RecordBytes)..]);
        Written += room;
    }

    /// <summary>Shows all that was written, and wakes the supervisor.</summary>
    public void Show()
    {
        Volatile.Write(ref Head, Written);
        Ring();
    }

    /// <summary>As <see cref="Write"/> and <see cref="Show"/>, with the length that is so.</summary>
    public void Say(RawRecord record, ReadOnlySpan<byte> data = default)
    {
        record.Length = data.Length;
        Write(record, data);
        Show();
    }

    /// <summary>Shows a position.</summary>
    public void Show(ulong head)
    {
        Volatile.Write(ref Head, head);
        Ring();
    }

    /// <summary>Wakes the supervisor.</summary>
    public void Ring()
    {
        byte one = 1;
        _ = SocketCalls.Send(bell, &one, 1, Abi.MSG_DONTWAIT | Abi.MSG_NOSIGNAL);
    }

    /// <summary>The next record that the supervisor has written.</summary>
    public RawRecord Next()
    {
        while (true)
        {
            while (Volatile.Read(ref Word(0)) == _read)
            {
                Thread.Sleep(1);
            }

            var place = (long)(_read % (ulong)Capacity);
            var record = Unsafe.ReadUnaligned<RawRecord>(memory + Page + place);
            _read += record.Kind == Skip ? (ulong)(Capacity - place) : (ulong)(RecordBytes + ((record.Length + RecordBytes - 1) & ~(RecordBytes - 1)));
            Volatile.Write(ref OwnTail, _read);
            if (record.Kind != Skip)
            {
                return record;
            }
        }
    }

    /// <summary>Takes all that the supervisor has written, unread.</summary>
    public void ReadAll()
    {
        _read = Volatile.Read(ref Word(0));
        Volatile.Write(ref OwnTail, _read);
        Ring();
    }

    /// <summary>The next of one kind.</summary>
    public RawRecord Next(byte kind, bool isStream)
    {
        const int stream = 0x20;
        while (true)
        {
            var record = Next();
            if (record.Kind == kind && (record.Bits & stream) != 0 == isStream)
            {
                return record;
            }
        }
    }

    private void Await(ulong room)
    {
        while (Written + room - Volatile.Read(ref Tail) > (ulong)Capacity)
        {
            Ring();
            Thread.Sleep(1);
        }
    }

    private ref ulong Word(int line) => ref *(ulong*)(memory + line * Line);
}
