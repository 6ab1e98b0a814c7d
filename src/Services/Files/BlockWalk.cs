namespace ChannelSdk.Services.Files;

/// <summary>
/// Goes through a file from block to block and finds its holes. Asks for holes only where the last answer ends, so a file
/// without holes costs two questions.
/// </summary>
/// <param name="nextData">Where data begins at or behind an offset (SEEK_DATA); the size or more if nowhere.</param>
/// <param name="nextHole">Where a hole begins at or behind an offset that has data (SEEK_HOLE).</param>
/// <param name="size">Of the file; never asked beyond it.</param>
/// <param name="offset">Where to begin, a multiple of the block size.</param>
public sealed class BlockWalk(Func<long, long> nextData, Func<long, long> nextHole, long size, long offset)
{
    private long _offset = offset;
    private long _dataStart;
    private long _dataEnd = offset;

    /// <summary>The next block or hole. False at the end. <see cref="FileRecord.Hash"/> is still 0.</summary>
    public bool TryNext(out FileRecord record)
    {
        if (_offset >= size)
        {
            record = default;
            return false;
        }

        if (_offset >= _dataEnd)
        {
            _dataStart = Math.Clamp(nextData(_offset), _offset, size);
            _dataEnd = _dataStart == size ? size : Math.Clamp(nextHole(_dataStart), _dataStart + 1, size);
        }

        var start = Math.Max(_offset, _dataStart);
        var startBlock = start == size ? size : start - start % ContentHash.BlockSize;
        if (startBlock > _offset)
        {
            record = new FileRecord(FileRecordKind.Hole, _offset, startBlock - _offset, 0, false);
        }
        else
        {
            var length = Math.Min(ContentHash.BlockSize, size - _offset);
            var hasHoles = _dataStart > _offset || _dataEnd < _offset + length;
            record = new FileRecord(FileRecordKind.Data, _offset, length, 0, hasHoles);
        }

        _offset += record.Length;
        return true;
    }
}
