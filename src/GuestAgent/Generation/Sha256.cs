using System.Buffers.Binary;
using System.Numerics;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>SHA-256 (FIPS 180-4, section 6.2) of a few bytes. The framework's own is OpenSSL's, which a static program cannot load.</summary>
internal static class Sha256
{
    /// <summary>Most bytes that are hashed: what one block holds beside its end.</summary>
    public const int MaxBytes = 55;

    private static readonly uint[] s_constants = Roots(64, cubic: true);

    /// <summary>The hash of at most <see cref="MaxBytes"/> bytes, 32 bytes.</summary>
    public static byte[] Of(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxBytes);
        Span<byte> block = stackalloc byte[64];
        block.Clear();
        bytes.CopyTo(block);
        block[bytes.Length] = 0x80;
        BinaryPrimitives.WriteUInt64BigEndian(block[56..], (ulong)bytes.Length * 8);
        Span<uint> words = stackalloc uint[64];
        for (var i = 0; i < words.Length; i++)
        {
            words[i] = i < 16 ? BinaryPrimitives.ReadUInt32BigEndian(block[(i * 4)..]) : Mixed(words[i - 2], 17, 19, 10) + words[i - 7] + Mixed(words[i - 15], 7, 18, 3) + words[i - 16];
        }

        var start = Roots(8, cubic: false);
        Span<uint> h = stackalloc uint[8];
        start.CopyTo(h);
        for (var i = 0; i < words.Length; i++)
        {
            var first = h[7] + Turned(h[4], 6, 11, 25) + ((h[4] & h[5]) ^ (~h[4] & h[6])) + s_constants[i] + words[i];
            var second = Turned(h[0], 2, 13, 22) + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2]));
            h[..7].CopyTo(h[1..]);
            h[4] += first;
            h[0] = first + second;
        }

        var result = new byte[32];
        for (var i = 0; i < h.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(result.AsSpan(i * 4), h[i] + start[i]);
        }

        return result;
    }

    private static uint Turned(uint x, int a, int b, int c) => BitOperations.RotateRight(x, a) ^ BitOperations.RotateRight(x, b) ^ BitOperations.RotateRight(x, c);

    private static uint Mixed(uint x, int a, int b, int shift) => BitOperations.RotateRight(x, a) ^ BitOperations.RotateRight(x, b) ^ (x >> shift);

    // The first 32 bits of the fractions of the roots of the first primes, which is what the tables of the standard are. Whole numbers
    // give them exactly: the root of p times 2 to the power of 64, or 96.
    private static uint[] Roots(int count, bool cubic)
    {
        var roots = new uint[count];
        for (int found = 0, candidate = 2; found < count; candidate++)
        {
            if (IsPrime(candidate))
            {
                roots[found++] = (uint)Root((UInt128)candidate, cubic);
            }
        }

        return roots;
    }

    private static ulong Root(UInt128 number, bool cubic)
    {
        ulong root = 0;
        for (var bit = 1UL << 36; bit > 0; bit >>= 1)
        {
            var next = (UInt128)(root | bit);
            if (cubic ? next * next * next <= number << 96 : next * next <= number << 64)
            {
                root |= bit;
            }
        }

        return root;
    }

    private static bool IsPrime(int number)
    {
        for (var divisor = 2; divisor * divisor <= number; divisor++)
        {
            if (number % divisor == 0)
            {
                return false;
            }
        }

        return true;
    }
}
