using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Tests;

/// <summary>What outlives a worker, in arrays of this process.</summary>
internal sealed class ArrayState(int slotBytes, byte[] buffers) : StateMemory(new byte[slotBytes], buffers)
{
    public override ulong Committed { get; set; }

    // Of any content, as pages that come back are all zero.
    public override void Release(Memory<byte> memory) => memory.Span.Fill(0xA5);

    public new Span<byte> Slots => base.Slots.Span;
}
