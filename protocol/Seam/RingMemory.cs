using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// The memory of one direction, which two processes share: the records, two positions and two flags. Positions grow and never wrap; their
/// remainder by the capacity is the place. What the other process writes is hostile: a value that is read is read once, and checked.
/// Each position is read and written as one, and each read or write of a position or a flag is ordered with all before and behind it.
/// </summary>
public abstract class RingMemory
{
    private const int LeastCapacity = 4096;

    /// <summary>Makes it of memory that is zero before its first use.</summary>
    /// <param name="records">Memory of the records: a power of two, 4 KiB at least.</param>
    protected RingMemory(Memory<byte> records)
    {
        if (records.Length < LeastCapacity || !int.IsPow2(records.Length))
        {
            throw new ArgumentException($"a ring of {records.Length} bytes; a power of two from {LeastCapacity} on is needed", nameof(records));
        }

        Records = records;
    }

    /// <summary>Where the writer will write next: all before it may be read.</summary>
    public abstract ulong Head { get; set; }

    /// <summary>Where the reader will read next: all before it may be written again.</summary>
    public abstract ulong Tail { get; set; }

    /// <summary>Bytes of the records.</summary>
    internal int Capacity => Records.Length;

    internal Memory<byte> Records { get; }

    /// <summary>The reader says whether it sleeps until it is woken.</summary>
    public abstract void SetReaderSleeps(bool isSo);

    /// <summary>The writer is about to wake the reader: clears its flag. False: it does not sleep.</summary>
    public abstract bool TryWakeReader();

    /// <summary>The writer says that it waits for room until it is woken.</summary>
    public abstract void SetWriterWaits();

    /// <summary>The reader is about to wake the writer: clears its flag. False: it does not wait.</summary>
    public abstract bool TryWakeWriter();

    internal int PlaceOf(ulong position) => (int)(position & (ulong)(Capacity - 1));

    /// <summary>What ends the other process.</summary>
    internal static ChannelException Broken(string what) => new(ChannelError.WorkerFailed, ErrorClass.Fatal, $"the memory between a worker and its supervisor has {what}");
}
