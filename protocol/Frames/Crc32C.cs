using System.Numerics;
using System.Runtime.InteropServices;

namespace ChannelSdk.Protocol.Frames;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4: reflected polynomial 0x82F63B78, initial value and final xor all ones).
/// The crc32 instruction has a latency of three cycles and a throughput of one, so long inputs run as three
/// independent chains whose results are joined by a table that advances a CRC over a fixed count of zero bytes.
/// </summary>
internal static class Crc32C
{
    // 16 turns of three such lanes leave 256 bytes of the largest frame for the slow end.
    private const int Lane = 1360;
    private const uint Polynomial = 0x82F63B78;
    private static readonly uint[] s_shiftOneLane = BuildShiftTable(Lane);
    private static readonly uint[] s_shiftTwoLanes = BuildShiftTable(2 * Lane);

    public static uint Compute(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        while (data.Length >= 3 * Lane)
        {
            crc = ThreeLanes(crc, data);
            data = data[(3 * Lane)..];
        }

        return ~Update(crc, data);
    }

    private static uint Update(uint crc, ReadOnlySpan<byte> data)
    {
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(data))
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var b in data[(data.Length & ~7)..])
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return crc;
    }

    private static uint ThreeLanes(uint crc, ReadOnlySpan<byte> data)
    {
        var a = MemoryMarshal.Cast<byte, ulong>(data[..Lane]);
        var b = MemoryMarshal.Cast<byte, ulong>(data.Slice(Lane, Lane));
        var c = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * Lane, Lane));
        uint crcB = 0, crcC = 0;
        for (var i = 0; i < a.Length && i < b.Length && i < c.Length; i++)
        {
            crc = BitOperations.Crc32C(crc, a[i]);
            crcB = BitOperations.Crc32C(crcB, b[i]);
            crcC = BitOperations.Crc32C(crcC, c[i]);
        }

        return Shift(s_shiftTwoLanes, crc) ^ Shift(s_shiftOneLane, crcB) ^ crcC;
    }

    private static uint Shift(uint[] table, uint crc) =>
        table[crc & 0xFF] ^ table[256 + (crc >> 8 & 0xFF)] ^ table[512 + (crc >> 16 & 0xFF)] ^ table[768 + (crc >> 24)];

    /// <summary>Table of "this CRC register followed by <paramref name="zeros"/> zero bytes", one row for each register byte.</summary>
    private static uint[] BuildShiftTable(int zeros)
    {
        // The operator is linear over GF(2): advance each of the 32 single-bit registers, then combine them.
        Span<uint> basis = stackalloc uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            var register = 1u << bit;
            for (var i = 0; i < zeros * 8; i++)
            {
                register = (register & 1) != 0 ? register >> 1 ^ Polynomial : register >> 1;
            }

            basis[bit] = register;
        }

        var table = new uint[4 * 256];
        for (var row = 0; row < 4; row++)
        {
            for (var value = 0; value < 256; value++)
            {
                var sum = 0u;
                for (var bit = 0; bit < 8; bit++)
                {
                    sum ^= (value >> bit & 1) != 0 ? basis[row * 8 + bit] : 0;
                }

                table[row * 256 + value] = sum;
            }
        }

        return table;
    }
}
