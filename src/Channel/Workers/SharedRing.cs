using System.Runtime.InteropServices;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Channels.Workers;

/// <summary>A ring in memory that two processes map: each of its words in a cache line of its own, and the records elsewhere.</summary>
/// <param name="words">Memory of <see cref="WordBytes"/> bytes for positions and flags.</param>
/// <param name="records">Memory of the records.</param>
internal sealed class SharedRing(Memory<byte> words, Memory<byte> records) : RingMemory(records)
{
    /// <summary>Bytes of the words.</summary>
    public const int WordBytes = 4 * Line;

    private const int Line = 64;

    public override ulong Head
    {
        get => Volatile.Read(ref Position(0));
        set => Interlocked.Exchange(ref Position(0), value);
    }

    public override ulong Tail
    {
        get => Volatile.Read(ref Position(1));
        set => Interlocked.Exchange(ref Position(1), value);
    }

    public override void SetReaderSleeps(bool isSo) => Interlocked.Exchange(ref Flag(2), isSo ? 1u : 0u);

    public override bool TryWakeReader() => TryClear(ref Flag(2));

    public override void SetWriterWaits() => Interlocked.Exchange(ref Flag(3), 1u);

    public override bool TryWakeWriter() => TryClear(ref Flag(3));

    // Before the exchange a look, which costs nothing while the flag is not set.
    private static bool TryClear(ref uint flag) => Volatile.Read(ref flag) != 0 && Interlocked.Exchange(ref flag, 0) != 0;

    private ref ulong Position(int line) => ref MemoryMarshal.Cast<byte, ulong>(words.Span[(line * Line)..])[0];

    private ref uint Flag(int line) => ref MemoryMarshal.Cast<byte, uint>(words.Span[(line * Line)..])[0];
}
