namespace ChannelSdk.Runtime;

/// <summary>
/// The hash of a whole file, block by block (files.proto). Its state is one number, so a copy can go on where it was, and a
/// hole of any size costs a few nanoseconds for each block.
/// </summary>
public struct ContentHash
{
    /// <summary>Bytes of every block but the last one.</summary>
    public const int BlockSize = 128 << 10;

    /// <summary>Bytes of the largest file that is copied: 16 TiB, with which even one hole takes less than a second.</summary>
    public const long MaxLength = 1L << 44;

    private static readonly ulong s_zeroBlock = XxHash3.Hash(new byte[BlockSize]);
    private ulong _state;

    /// <summary>Bytes taken in so far.</summary>
    public long Length { get; private set; }

    /// <summary>Takes the next block in.</summary>
    /// <param name="block"><see cref="BlockSize"/> bytes, or fewer for the last block.</param>
    /// <returns>The block's own hash.</returns>
    public ulong Append(ReadOnlySpan<byte> block)
    {
        ulong hash = XxHash3.Hash(block);
        AppendHashed(hash, block.Length);
        return hash;
    }

    /// <summary>Takes the next block in by its hash.</summary>
    /// <param name="hash">What <see cref="XxHash3"/> gave for it.</param>
    /// <param name="length">Its bytes.</param>
    public void AppendHashed(ulong hash, int length)
    {
        _state = XxHash3.Hash(hash, _state);
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
    public readonly ulong Finish() => XxHash3.Hash((ulong)Length, _state);
}
