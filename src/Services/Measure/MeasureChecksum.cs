using System.Buffers.Binary;
using System.Numerics;

namespace ChannelSdk.Services.Measure;

/// <summary>CRC32C over a whole transfer, message by message, for both sides of measure.Sink.</summary>
public static class MeasureChecksum
{
    /// <summary>The value before the first byte.</summary>
    public const uint Start = 0xFFFFFFFF;

    /// <summary>Takes further bytes in.</summary>
    /// <param name="sum"><see cref="Start"/> or what the last call returned.</param>
    /// <param name="bytes">The bytes that follow.</param>
    public static uint Append(uint sum, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= 8)
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        foreach (var b in bytes)
        {
            sum = BitOperations.Crc32C(sum, b);
        }

        return sum;
    }

    /// <summary>The CRC32C (RFC 3720 appendix B.4) of all bytes that were taken in.</summary>
    public static uint Finish(uint sum) => ~sum;
}
