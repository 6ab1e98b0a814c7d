using System.Buffers.Binary;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>What the page says at one moment.</summary>
/// <param name="Counter">A number that no earlier generation of this guest had; 0 before the first.</param>
/// <param name="Generation">16 bytes; zeros before the first.</param>
internal sealed record GenerationReading(ulong Counter, byte[] Generation)
{
    /// <summary>Reads an open page.</summary>
    /// <returns>Null while it changes, or if it is none.</returns>
    public static unsafe GenerationReading? Of(SafeFileHandle page)
    {
        var bytes = stackalloc byte[GenerationLayout.UsedBytes];
        var used = new ReadOnlySpan<byte>(bytes, GenerationLayout.UsedBytes);
        uint after;
        if (DescriptorCalls.PRead(page, bytes, GenerationLayout.UsedBytes, 0) != GenerationLayout.UsedBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(used) != GenerationLayout.MagicValue)
        {
            return null;
        }
        // The bytes of one call are not of one moment: the sequence must be the same behind them.
        var before = BinaryPrimitives.ReadUInt32LittleEndian(used[GenerationLayout.Sequence..]);
        return DescriptorCalls.PRead(page, (byte*)&after, sizeof(uint), GenerationLayout.Sequence) == sizeof(uint) && before == after && before % 2 == 0
            ? new GenerationReading(BinaryPrimitives.ReadUInt64LittleEndian(used[GenerationLayout.GenerationCounter..]),
                used.Slice(GenerationLayout.Generation, GenerationLayout.GenerationBytes).ToArray()) : null;
    }
}
