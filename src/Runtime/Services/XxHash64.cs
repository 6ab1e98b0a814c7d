using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ChannelSdk.Runtime;

/// <summary>
/// XXH64 (xxHash specification 0.1.1): four independent lanes keep the multiplier busy, so it costs less than copying the
/// bytes. It finds accidents, not attacks.
/// </summary>
public static class XxHash64
{
    private const ulong Prime1 = 0x9E3779B185EBCA87;
    private const ulong Prime2 = 0xC2B2AE3D27D4EB4F;
    private const ulong Prime3 = 0x165667B19E3779F9;
    private const ulong Prime4 = 0x85EBCA77C2B2AE63;
    private const ulong Prime5 = 0x27D4EB2F165667C5;

    /// <summary>The hash of some bytes.</summary>
    /// <param name="bytes">Any number of bytes.</param>
    /// <param name="seed">Changes the whole hash.</param>
    public static ulong Hash(ReadOnlySpan<byte> bytes, ulong seed = 0)
    {
        ulong sum = seed + Prime5;
        int striped = bytes.Length & ~31;
        if (striped > 0)
        {
            sum = Stripes(MemoryMarshal.Cast<byte, ulong>(bytes[..striped]), seed);
        }

        sum += (ulong)bytes.Length;
        return Avalanche(Rest(bytes[striped..], sum));
    }

    /// <summary>The hash of one number's 8 little-endian bytes.</summary>
    /// <param name="value">The number.</param>
    /// <param name="seed">Changes the whole hash.</param>
    public static ulong Hash(ulong value, ulong seed) => Avalanche(Word(seed + Prime5 + 8, value));

    private static ulong Stripes(ReadOnlySpan<ulong> words, ulong seed)
    {
        ulong a = seed + Prime1 + Prime2, b = seed + Prime2, c = seed, d = seed - Prime1;
        for (var i = 0; i + 3 < words.Length; i += 4)
        {
            a = Round(a, words[i]);
            b = Round(b, words[i + 1]);
            c = Round(c, words[i + 2]);
            d = Round(d, words[i + 3]);
        }

        ulong sum = BitOperations.RotateLeft(a, 1) + BitOperations.RotateLeft(b, 7) + BitOperations.RotateLeft(c, 12) + BitOperations.RotateLeft(d, 18);
        return Merge(Merge(Merge(Merge(sum, a), b), c), d);
    }

    private static ulong Rest(ReadOnlySpan<byte> bytes, ulong sum)
    {
        while (bytes.Length >= 8)
        {
            sum = Word(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        if (bytes.Length >= 4)
        {
            sum = BitOperations.RotateLeft(sum ^ BinaryPrimitives.ReadUInt32LittleEndian(bytes) * Prime1, 23) * Prime2 + Prime3;
            bytes = bytes[4..];
        }

        foreach (byte b in bytes)
        {
            sum = BitOperations.RotateLeft(sum ^ b * Prime5, 11) * Prime1;
        }

        return sum;
    }

    // The agent is compiled for size and would call it for each word.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Round(ulong lane, ulong word) => BitOperations.RotateLeft(lane + word * Prime2, 31) * Prime1;

    private static ulong Merge(ulong sum, ulong lane) => (sum ^ Round(0, lane)) * Prime1 + Prime4;

    private static ulong Word(ulong sum, ulong word) => BitOperations.RotateLeft(sum ^ Round(0, word), 27) * Prime1 + Prime4;

    private static ulong Avalanche(ulong sum)
    {
        sum = (sum ^ sum >> 33) * Prime2;
        sum = (sum ^ sum >> 29) * Prime3;
        return sum ^ sum >> 32;
    }
}
