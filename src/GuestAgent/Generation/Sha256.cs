using System.Buffers.Binary;
using System.Numerics;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>SHA-256 (FIPS 180-4, section 6.2) of a few bytes. The framework's own is OpenSSL's, which a static program cannot load.</summary>
internal static class Sha256
{
    /// <summary>Most bytes that are hashed: what one block holds beside its end.</summary>
    public const int MaxBytes = 55;

    // The first 32 bits of the fractions of the cubic roots of the first 64 primes.
    private static ReadOnlySpan<uint> Constants =>
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    // And of the square roots of the first eight.
    private static ReadOnlySpan<uint> Start => [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

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

        var start = Start;
        Span<uint> h = stackalloc uint[8];
        start.CopyTo(h);
        for (var i = 0; i < words.Length; i++)
        {
            var first = h[7] + Turned(h[4], 6, 11, 25) + ((h[4] & h[5]) ^ (~h[4] & h[6])) + Constants[i] + words[i];
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
}
