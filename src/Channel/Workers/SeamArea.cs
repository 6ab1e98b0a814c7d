using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Channels.Workers;

/// <summary>The memory that a supervisor shares with a worker: a page of words, then the records of both directions.</summary>
internal static class SeamArea
{
    private const int PageSize = 4096;

    /// <summary>Its size in bytes.</summary>
    public static int SizeFor(SeamBounds bounds) => PageSize + 2 * bounds.RingBytes;

    /// <summary>What the supervisor writes.</summary>
    public static RingMemory ToWorker(Memory<byte> area) => Ring(area, 0);

    /// <summary>What the worker writes.</summary>
    public static RingMemory FromWorker(Memory<byte> area) => Ring(area, 1);

    /// <summary>What the worker counts.</summary>
    public static SharedFigures Figures(Memory<byte> area) => new(area.Slice(2 * SharedRing.WordBytes, SharedFigures.Bytes));

    private static SharedRing Ring(Memory<byte> area, int number)
    {
        var bytes = (area.Length - PageSize) / 2;
        return new SharedRing(area.Slice(number * SharedRing.WordBytes, SharedRing.WordBytes), area.Slice(PageSize + number * bytes, bytes));
    }
}
