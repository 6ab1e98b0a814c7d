using System.Buffers.Binary;
using System.IO.Hashing;

namespace ChannelSdk.Services.Files;

/// <summary>Reads from a file until the buffer is full or the file ends; how many bytes were read.</summary>
/// <param name="buffer">Where the bytes go.</param>
/// <param name="offset">Where in the file they are.</param>
public delegate int BlockReader(Span<byte> buffer, long offset);

/// <summary>
/// The hash of a whole file, block by block (files.proto): XXH3 of 64 bits, which finds accidents, not attacks. Its state is
/// one number, so a copy can go on where it was, and a hole of any size costs a few nanoseconds for each block.
/// </summary>
public struct ContentHash
{
    /// <summary>Bytes of every block but the last one.</summary>
    public const int BlockSize = 128 << 10;

    /// <summary>Bytes of the largest file that is copied: 16 TiB, with which even one hole takes less than a second.</summary>
    public const long MaxLength = 1L << 44;

    private static readonly ulong s_zeroBlock = XxHash3.HashToUInt64(new byte[BlockSize]);
    private ulong _state;

    /// <summary>Bytes taken in so far.</summary>
    public long Length { get; private set; }

    /// <summary>The hash of a file, or of its beginning.</summary>
    /// <param name="walk">Its blocks and holes.</param>
    /// <param name="read">Reads a block.</param>
    /// <param name="buffer">At least <see cref="BlockSize"/> bytes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static ContentHash Of(BlockWalk walk, BlockReader read, Span<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(read);
        ContentHash hash = default;
        while (walk.TryNext(out var record))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record.Kind == FileRecordKind.Hole)
            {
                hash.AppendZeros(record.Length);
                continue;
            }

            var block = buffer[..(int)record.Length];
            block[read(block, record.Offset)..].Clear();
            hash.Append(block);
        }

        return hash;
    }

    /// <summary>Takes the next block in.</summary>
    /// <param name="block"><see cref="BlockSize"/> bytes, or fewer for the last block.</param>
    /// <returns>The block's own hash.</returns>
    public ulong Append(ReadOnlySpan<byte> block)
    {
        var hash = XxHash3.HashToUInt64(block);
        AppendHashed(hash, block.Length);
        return hash;
    }

    /// <summary>Takes the next block in by its hash.</summary>
    /// <param name="hash">Its XXH3.</param>
    /// <param name="length">Its bytes.</param>
    public void AppendHashed(ulong hash, int length)
    {
        _state = OfNumber(hash, _state);
        Length += length;
    }

    /// <summary>Takes a hole in, which counts as zero bytes.</summary>
    /// <param name="length">Whole blocks, or up to the file's end.</param>
    public void AppendZeros(long length)
    {
        for (; length >= BlockSize; length -= BlockSize)
        {
            AppendHashed(s_zeroBlock, BlockSize);
        }

        if (length > 0)
        {
            Append(new byte[length]);
        }
    }

    /// <summary>The hash of all that was taken in.</summary>
    public readonly ulong Finish() => OfNumber((ulong)Length, _state);

    /// <summary>The hash of a number's 8 little-endian bytes.</summary>
    private static ulong OfNumber(ulong value, ulong seed)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return XxHash3.HashToUInt64(bytes, (long)seed);
    }
}
