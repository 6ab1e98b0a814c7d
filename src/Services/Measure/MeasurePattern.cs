using System.Buffers.Binary;

namespace ChannelSdk.Services.Measure;

/// <summary>
/// The byte pattern of measure.Source (measure.proto): the little-endian 8-byte word number n is
/// n * 0x9E3779B97F4A7C15 modulo 2^64. No part of it repeats within any practical length, so a lost, repeated or
/// reordered message shows at its first bytes.
/// </summary>
public static class MeasurePattern
{
    private const ulong Step = 0x9E3779B97F4A7C15;

    /// <summary>Writes the part of the pattern that starts at a byte offset.</summary>
    /// <param name="destination">Filled to its end.</param>
    /// <param name="offset">Position in the pattern, in bytes from 0.</param>
    public static void Fill(Span<byte> destination, ulong offset)
    {
        Span<byte> word = stackalloc byte[8];
        while (destination.Length > 0)
        {
            var within = (int)(offset % 8);
            var take = Math.Min(8 - within, destination.Length);
            var value = offset / 8 * Step;
            if (take == 8)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(destination, value);
            }
            else
            {
                BinaryPrimitives.WriteUInt64LittleEndian(word, value);
                word.Slice(within, take).CopyTo(destination);
            }

            destination = destination[take..];
            offset += (ulong)take;
        }
    }

    /// <summary>Whether some bytes are the part of the pattern that starts at a byte offset.</summary>
    /// <param name="bytes">The bytes to check.</param>
    /// <param name="offset">Position in the pattern, in bytes from 0.</param>
    public static bool Matches(ReadOnlySpan<byte> bytes, ulong offset)
    {
        Span<byte> expected = stackalloc byte[1024];
        while (bytes.Length > 0)
        {
            var take = Math.Min(bytes.Length, expected.Length);
            Fill(expected[..take], offset);
            if (!bytes[..take].SequenceEqual(expected[..take]))
            {
                return false;
            }

            bytes = bytes[take..];
            offset += (ulong)take;
        }

        return true;
    }
}
