using System.Buffers.Binary;
using System.Numerics;

namespace ChannelSdk.Services.Install;

/// <summary>
/// The bytes of a disk's data as they pass: how many, and their SHA-256 (FIPS 180-4). An agent is one static file without the library that
/// the runtime takes its hashes from, so it computes this one itself.
/// </summary>
public sealed class DataDigest
{
    /// <summary>Bytes of a SHA-256.</summary>
    public const int HashBytes = 32;

    private const int BlockBytes = 64;
    private const int LengthBytes = 8;
    private readonly uint[] _state = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    private readonly byte[] _block = new byte[BlockBytes];
    private int _filled;

    // The first 32 bits behind the point of the cube roots of the first 64 primes.
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

    /// <summary>Bytes taken in so far.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>Takes the next bytes in.</summary>
    /// <param name="data">Any number of them.</param>
    public void Append(ReadOnlySpan<byte> data)
    {
        Bytes += (ulong)data.Length;
        if (_filled > 0)
        {
            var taken = Math.Min(data.Length, BlockBytes - _filled);
            data[..taken].CopyTo(_block.AsSpan(_filled));
            data = data[taken..];
            _filled += taken;
            if (_filled < BlockBytes)
            {
                return;
            }

            Mix(_block);
            _filled = 0;
        }

        for (; data.Length >= BlockBytes; data = data[BlockBytes..])
        {
            Mix(data);
        }

        data.CopyTo(_block);
        _filled = data.Length;
    }

    /// <summary>The SHA-256 of all that was taken in; nothing more can be.</summary>
    public byte[] Finish()
    {
        var bits = Bytes * 8;
        Append([0x80]);
        if (_filled > BlockBytes - LengthBytes)
        {
            Append(stackalloc byte[BlockBytes - _filled]);
        }

        _block.AsSpan(_filled).Clear();
        BinaryPrimitives.WriteUInt64BigEndian(_block.AsSpan(BlockBytes - LengthBytes), bits);
        Mix(_block);
        var hash = new byte[HashBytes];
        for (var i = 0; i < _state.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(hash.AsSpan(i * sizeof(uint)), _state[i]);
        }

        return hash;
    }

    private void Mix(ReadOnlySpan<byte> block)
    {
        Span<uint> words = stackalloc uint[Constants.Length];
        for (var i = 0; i < BlockBytes / sizeof(uint); i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32BigEndian(block[(i * sizeof(uint))..]);
        }

        for (var i = BlockBytes / sizeof(uint); i < words.Length; i++)
        {
            var (old, last) = (words[i - 15], words[i - 2]);
            words[i] = words[i - 16] + words[i - 7]
                + (BitOperations.RotateRight(old, 7) ^ BitOperations.RotateRight(old, 18) ^ (old >> 3))
                + (BitOperations.RotateRight(last, 17) ^ BitOperations.RotateRight(last, 19) ^ (last >> 10));
        }

        var s = _state;
        var (a, b, c, d, e, f, g, h) = (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
        for (var i = 0; i < words.Length; i++)
        {
            var first = h + (BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25))
                + ((e & f) ^ (~e & g)) + Constants[i] + words[i];
            var second = (BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22))
                + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
        }

        (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]) = (s[0] + a, s[1] + b, s[2] + c, s[3] + d, s[4] + e, s[5] + f, s[6] + g, s[7] + h);
    }
}
