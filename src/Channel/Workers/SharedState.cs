using System.Runtime.InteropServices;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Channels.Workers;

/// <summary>A worker's state in memory that its supervisor owns and does not look at.</summary>
/// <param name="word">Memory of <see cref="WordBytes"/> bytes for the number of the last change.</param>
/// <param name="slots">For what is small.</param>
/// <param name="buffers">For messages and frames.</param>
internal sealed class SharedState(Memory<byte> word, Memory<byte> slots, Memory<byte> buffers) : StateMemory(slots, buffers)
{
    /// <summary>Bytes of the word: a cache line.</summary>
    public const int WordBytes = 64;

    public override ulong Committed
    {
        get => Volatile.Read(ref Word);
        set => Interlocked.Exchange(ref Word, value);
    }

    public override void Release(Memory<byte> memory) => SharedMemory.ReleasePages(memory.Span);

    private ref ulong Word => ref MemoryMarshal.Cast<byte, ulong>(word.Span)[0];
}
