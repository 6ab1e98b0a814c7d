using ChannelSdk.Protocol.Seam;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// The memory that a supervisor shares with its workers, one after the other: a page of words, the records of both directions, and what the
/// present worker keeps for the next one.
/// </summary>
internal readonly struct SeamArea
{
    private const int PageSize = 4096;

    private readonly Memory<byte> _memory;
    private readonly SeamBounds _bounds;

    /// <param name="memory">The memory, of <see cref="SizeFor"/>.</param>
    /// <param name="bounds">Bounds of the channel.</param>
    public SeamArea(Memory<byte> memory, SeamBounds bounds) => (_memory, _bounds) = (memory, bounds);

    /// <summary>What the supervisor writes.</summary>
    public RingMemory ToWorker => Ring(0);

    /// <summary>What the worker writes.</summary>
    public RingMemory FromWorker => Ring(1);

    /// <summary>What the worker counts.</summary>
    public SharedFigures Figures => new(_memory.Slice(2 * SharedRing.WordBytes, SharedFigures.Bytes));

    /// <summary>What the worker keeps.</summary>
    public StateMemory State
    {
        get
        {
            var slots = SlotsAt(_bounds);
            return new SharedState(
                _memory.Slice(2 * SharedRing.WordBytes + SharedFigures.Bytes, SharedState.WordBytes),
                _memory.Slice(slots, _bounds.SlotBytes),
                _memory.Slice(slots + Pages(_bounds.SlotBytes), _bounds.BufferBytes));
        }
    }

    /// <summary>Bounds of a channel.</summary>
    public static SeamBounds BoundsOf(ChannelOptions options) => new(options.Session, options.MaxMessage, options.AssemblyBytes);

    /// <summary>Its size in bytes. Pages that are not used are not there.</summary>
    public static int SizeFor(SeamBounds bounds) => SlotsAt(bounds) + Pages(bounds.SlotBytes) + bounds.BufferBytes;

    private static int SlotsAt(SeamBounds bounds) => PageSize + 2 * bounds.RingBytes;

    private static int Pages(int bytes) => (bytes + PageSize - 1) & ~(PageSize - 1);

    private SharedRing Ring(int number) =>
        new(_memory.Slice(number * SharedRing.WordBytes, SharedRing.WordBytes), _memory.Slice(PageSize + number * _bounds.RingBytes, _bounds.RingBytes));
}
