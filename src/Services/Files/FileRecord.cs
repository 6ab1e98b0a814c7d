using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Files;

/// <summary>What a message of a file's content is (files.proto).</summary>
public enum FileRecordKind : byte
{
    /// <summary>One block.</summary>
    Data = 1,
    /// <summary>Blocks that are not on the disk.</summary>
    Hole = 2,
    /// <summary>The whole content was sent.</summary>
    End = 3,
}

/// <summary>The header of a record in the messages of files.Read and files.Write.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Offset">Where in the file.</param>
/// <param name="Length">Bytes of the file that it stands for; 0 for the end.</param>
/// <param name="Hash">Of the block, or at the end of the whole content; 0 for a hole.</param>
/// <param name="HasHoles">Parts of the block are holes in the source.</param>
public readonly record struct FileRecord(FileRecordKind Kind, long Offset, long Length, ulong Hash, bool HasHoles)
{
    /// <summary>Bytes of the header.</summary>
    public const int HeaderSize = 24;

    /// <summary>Bytes of the largest record.</summary>
    public const int MaxLength = HeaderSize + ContentHash.BlockSize;

    /// <summary>Writes the header.</summary>
    /// <param name="header">At least <see cref="HeaderSize"/> bytes.</param>
    public void WriteTo(Span<byte> header)
    {
        header[0] = (byte)Kind;
        header[1] = HasHoles ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Kind == FileRecordKind.Data ? (uint)Length : 0);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], Kind == FileRecordKind.Hole ? (ulong)Length : Hash);
    }

    /// <summary>Bytes of the record: the header, and a block's data behind it.</summary>
    public int Bytes => HeaderSize + (Kind == FileRecordKind.Data ? (int)Length : 0);

    /// <summary>Reads and checks a message that is one record.</summary>
    /// <param name="untrustedMessage">The whole message.</param>
    /// <param name="expectedOffset">Where the record before ended.</param>
    /// <param name="size">Of the file.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: not a record, or not the one that must come next.</exception>
    public static FileRecord Read(ReadOnlySpan<byte> untrustedMessage, long expectedOffset, long size)
    {
        var record = ReadFirst(untrustedMessage, expectedOffset, size);
        return record.Bytes == untrustedMessage.Length ? record
            : throw Wrong(expectedOffset, $"{untrustedMessage.Length - record.Bytes} bytes follow it");
    }

    /// <summary>Reads and checks the record that a message begins with; others may follow all but the end.</summary>
    /// <param name="untrustedMessage">What is left of the message.</param>
    /// <param name="expectedOffset">Where the record before ended.</param>
    /// <param name="size">Of the file.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: not a record, or not the one that must come next.</exception>
    public static FileRecord ReadFirst(ReadOnlySpan<byte> untrustedMessage, long expectedOffset, long size)
    {
        if (untrustedMessage.Length < HeaderSize)
        {
            throw Wrong(expectedOffset, $"it has {untrustedMessage.Length} bytes");
        }

        var untrustedFlags = untrustedMessage[1];
        var untrustedLength = BinaryPrimitives.ReadUInt32LittleEndian(untrustedMessage[4..]);
        var untrustedOffset = BinaryPrimitives.ReadUInt64LittleEndian(untrustedMessage[8..]);
        var untrustedValue = BinaryPrimitives.ReadUInt64LittleEndian(untrustedMessage[16..]);
        if (untrustedOffset != (ulong)expectedOffset)
        {
            throw Wrong(expectedOffset, $"it is for offset {untrustedOffset}");
        }

        if (untrustedFlags > 1 || untrustedMessage[2] != 0 || untrustedMessage[3] != 0 || untrustedLength > untrustedMessage.Length - HeaderSize)
        {
            throw Wrong(expectedOffset, "its header is malformed");
        }

        var left = size - expectedOffset;
        switch ((FileRecordKind)untrustedMessage[0])
        {
            case FileRecordKind.Data when untrustedLength > 0 && untrustedLength == Math.Min(ContentHash.BlockSize, left):
                return new FileRecord(FileRecordKind.Data, expectedOffset, untrustedLength, untrustedValue, untrustedFlags == 1);
            case FileRecordKind.Hole when untrustedLength == 0 && untrustedFlags == 0 && IsHole(untrustedValue, left):
                return new FileRecord(FileRecordKind.Hole, expectedOffset, (long)untrustedValue, 0, false);
            case FileRecordKind.End when untrustedMessage.Length == HeaderSize && untrustedFlags == 0 && left == 0:
                return new FileRecord(FileRecordKind.End, expectedOffset, 0, untrustedValue, false);
            default:
                throw Wrong(expectedOffset, $"a record of kind {untrustedMessage[0]} with {untrustedLength} bytes cannot stand here in a file of {size}");
        }
    }

    private static bool IsHole(ulong untrustedLength, long left) =>
        untrustedLength > 0 && left > 0 && untrustedLength <= (ulong)left
        && (untrustedLength % ContentHash.BlockSize == 0 || untrustedLength == (ulong)left);

    private static ChannelException Wrong(long offset, string what) =>
        new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, $"the record for offset {offset} of the content is wrong: {what}");
}
