using System.Buffers.Binary;
using System.Numerics;

namespace ChannelSdk.Runtime;

/// <summary>
/// XXH3, its variant of 64 bits (xxHash specification 0.2.0, "XXH3 algorithm overview"): a large block costs less than copying it,
/// for it is taken in by wide vectors. It finds accidents, not attacks. This file has the inputs of up to 240 bytes.
/// </summary>
public static partial class XxHash3
{
    private const uint Prime32A = 0x9E3779B1;
    private const uint Prime32B = 0x85EBCA77;
    private const uint Prime32C = 0xC2B2AE3D;
    private const ulong PrimeA = 0x9E3779B185EBCA87;
    private const ulong PrimeB = 0xC2B2AE3D27D4EB4F;
    private const ulong PrimeC = 0x165667B19E3779F9;
    private const ulong PrimeD = 0x85EBCA77C2B2AE63;
    private const ulong PrimeE = 0x27D4EB2F165667C5;
    private const ulong PrimeMixA = 0x165667919E3779F9;
    private const ulong PrimeMixB = 0x9FB21C651E98DF25;

    private const int SecretSize = 192;

    /// <summary>The specification's default secret.</summary>
    private static ReadOnlySpan<byte> Secret =>
    [
        0xB8, 0xFE, 0x6C, 0x39, 0x23, 0xA4, 0x4B, 0xBE, 0x7C, 0x01, 0x81, 0x2C, 0xF7, 0x21, 0xAD, 0x1C, 0xDE, 0xD4, 0x6D, 0xE9, 0x83, 0x90, 0x97, 0xDB,
        0x72, 0x40, 0xA4, 0xA4, 0xB7, 0xB3, 0x67, 0x1F, 0xCB, 0x79, 0xE6, 0x4E, 0xCC, 0xC0, 0xE5, 0x78, 0x82, 0x5A, 0xD0, 0x7D, 0xCC, 0xFF, 0x72, 0x21,
        0xB8, 0x08, 0x46, 0x74, 0xF7, 0x43, 0x24, 0x8E, 0xE0, 0x35, 0x90, 0xE6, 0x81, 0x3A, 0x26, 0x4C, 0x3C, 0x28, 0x52, 0xBB, 0x91, 0xC3, 0x00, 0xCB,
        0x88, 0xD0, 0x65, 0x8B, 0x1B, 0x53, 0x2E, 0xA3, 0x71, 0x64, 0x48, 0x97, 0xA2, 0x0D, 0xF9, 0x4E, 0x38, 0x19, 0xEF, 0x46, 0xA9, 0xDE, 0xAC, 0xD8,
        0xA8, 0xFA, 0x76, 0x3F, 0xE3, 0x9C, 0x34, 0x3F, 0xF9, 0xDC, 0xBB, 0xC7, 0xC7, 0x0B, 0x4F, 0x1D, 0x8A, 0x51, 0xE0, 0x4B, 0xCD, 0xB4, 0x59, 0x31,
        0xC8, 0x9F, 0x7E, 0xC9, 0xD9, 0x78, 0x73, 0x64, 0xEA, 0xC5, 0xAC, 0x83, 0x34, 0xD3, 0xEB, 0xC3, 0xC5, 0x81, 0xA0, 0xFF, 0xFA, 0x13, 0x63, 0xEB,
        0x17, 0x0D, 0xDD, 0x51, 0xB7, 0xF0, 0xDA, 0x49, 0xD3, 0x16, 0x55, 0x26, 0x29, 0xD4, 0x68, 0x9E, 0x2B, 0x16, 0xBE, 0x58, 0x7D, 0x47, 0xA1, 0xFC,
        0x8F, 0xF8, 0xB8, 0xD1, 0x7A, 0xD0, 0x31, 0xCE, 0x45, 0xCB, 0x3A, 0x8F, 0x95, 0x16, 0x04, 0x28, 0xAF, 0xD7, 0xFB, 0xCA, 0xBB, 0x4B, 0x40, 0x7E,
    ];

    /// <summary>The hash of some bytes, with seed 0.</summary>
    /// <param name="bytes">Any number of bytes.</param>
    public static ulong Hash(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        0 => FinishShort(Key(56) ^ Key(64)),
        <= 3 => FinishShort((uint)(bytes[0] << 16 | bytes[bytes.Length >> 1] << 24 | bytes[^1] | bytes.Length << 8) ^ (uint)Key(0) ^ (uint)(Key(0) >> 32)),
        <= 8 => Of4To8(BinaryPrimitives.ReadUInt32LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]), bytes.Length, 0),
        <= 16 => Of9To16(Word(bytes), Word(bytes[^8..]), bytes.Length),
        <= 128 => Of17To128(bytes),
        <= 240 => Of129To240(bytes),
        _ => OfLong(bytes),
    };

    /// <summary>The hash of one number's 8 little-endian bytes.</summary>
    /// <param name="value">The number.</param>
    /// <param name="seed">Changes the whole hash.</param>
    public static ulong Hash(ulong value, ulong seed) => Of4To8((uint)value, (uint)(value >> 32), sizeof(ulong), seed);

    private static ulong Of4To8(uint first, uint last, int length, ulong seed)
    {
        seed ^= (ulong)BinaryPrimitives.ReverseEndianness((uint)seed) << 32;
        ulong sum = (last + ((ulong)first << 32)) ^ ((Key(8) ^ Key(16)) - seed);
        sum ^= BitOperations.RotateLeft(sum, 49) ^ BitOperations.RotateLeft(sum, 24);
        sum *= PrimeMixB;
        sum = (sum ^ (sum >> 35) + (ulong)length) * PrimeMixB;
        return sum ^ sum >> 28;
    }

    private static ulong Of9To16(ulong first, ulong last, int length)
    {
        ulong low = first ^ Key(24) ^ Key(32), high = last ^ Key(40) ^ Key(48);
        return Finish((ulong)length + BinaryPrimitives.ReverseEndianness(low) + high + Fold(low, high));
    }

    private static ulong Of17To128(ReadOnlySpan<byte> bytes)
    {
        ulong sum = (ulong)bytes.Length * PrimeA;
        for (int i = (bytes.Length - 1) / 32; i >= 0; i--)
        {
            sum += Mix(bytes[(16 * i)..], 32 * i) + Mix(bytes[(bytes.Length - 16 * (i + 1))..], 32 * i + 16);
        }

        return Finish(sum);
    }

    private static ulong Of129To240(ReadOnlySpan<byte> bytes)
    {
        ulong sum = (ulong)bytes.Length * PrimeA;
        for (var i = 0; i < 8; i++)
        {
            sum += Mix(bytes[(16 * i)..], 16 * i);
        }

        sum = Finish(sum);
        for (var i = 8; i < bytes.Length / 16; i++)
        {
            sum += Mix(bytes[(16 * i)..], 16 * (i - 8) + 3);
        }

        return Finish(sum + Mix(bytes[^16..], 136 - 17));
    }

    private static ulong Mix(ReadOnlySpan<byte> bytes, int key) => Fold(Word(bytes) ^ Key(key), Word(bytes[8..]) ^ Key(key + 8));

    private static ulong Fold(ulong a, ulong b) => Math.BigMul(a, b, out ulong low) ^ low;

    private static ulong Key(int at) => Word(Secret[at..]);

    private static ulong Word(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes);

    private static ulong Finish(ulong sum)
    {
        sum = (sum ^ sum >> 37) * PrimeMixA;
        return sum ^ sum >> 32;
    }

    private static ulong FinishShort(ulong sum)
    {
        sum = (sum ^ sum >> 33) * PrimeB;
        sum = (sum ^ sum >> 29) * PrimeC;
        return sum ^ sum >> 32;
    }
}
