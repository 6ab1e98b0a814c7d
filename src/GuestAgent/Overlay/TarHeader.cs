using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>The 512 bytes before each entry (POSIX.1-2017, pax, "ustar Interchange Format"; GNU's use of it).</summary>
internal readonly ref struct TarHeader
{
    /// <summary>Everything in an archive comes in blocks of this size.</summary>
    public const int BlockSize = 512;

    // All that fits in the field as digits.
    private const long MaxMode = (1 << 24) - 1;

    /// <summary>What stands for the format in the one before both.</summary>
    private static ReadOnlySpan<byte> Unnamed => "\0\0\0\0\0\0\0\0"u8;

    private readonly ReadOnlySpan<byte> _block;
    private readonly bool _isPosix;

    /// <summary>Checks a block's sum, and reads its numbers.</summary>
    /// <exception cref="ChannelException">It is no header, or a number is none.</exception>
    public TarHeader(ReadOnlySpan<byte> untrustedBlock)
    {
        _block = untrustedBlock;
        uint sum = 8 * ' ';
        for (var i = 0; i < BlockSize; i++)
        {
            sum += i is >= 148 and < 156 ? 0u : untrustedBlock[i];
        }

        if (Number(148, 8, "checksum") != sum)
        {
            throw ArchiveFailure.Entry(Text(0, 100), "the checksum of its header is wrong; this is no tar, or a damaged one");
        }

        // Between the formats, readers take the names from other places.
        var format = untrustedBlock.Slice(257, 8);
        _isPosix = format.SequenceEqual("ustar\u000000"u8);
        if (!_isPosix && !format.SequenceEqual("ustar  \0"u8) && !format.SequenceEqual(Unnamed))
        {
            throw ArchiveFailure.Entry(Text(0, 100), "its header says neither POSIX nor GNU nor, with zeros, the format before them");
        }

        // All of them, in extended headers too: some readers refuse what others have no use for.
        Mode = Number(100, 8, "mode") is >= 0 and <= MaxMode and var mode ? mode : throw ArchiveFailure.Entry(Text(0, 100), "its mode is out of range");
        Uid = Number(108, 8, "owner");
        Gid = Number(116, 8, "group");
        Size = Number(124, 12, "size");
        Modified = Number(136, 12, "time");
        if (!_isPosix && !format.SequenceEqual(Unnamed))
        {
            _ = Number(345, 12, "time of access");
            _ = Number(357, 12, "time of change");
        }
    }

    /// <summary>The entry's type character.</summary>
    public byte Type => _block[156];

    public long Mode { get; }

    public long Uid { get; }

    public long Gid { get; }

    public long Size { get; }

    public long Modified { get; }

    /// <summary>Whether there is something where POSIX has the first part of a name, and GNU has times.</summary>
    public bool HasPrefix => _isPosix && _block.Slice(345, 155).ContainsAnyExcept((byte)0);

    /// <summary>The name, of two fields in the POSIX format.</summary>
    public byte[] Name
    {
        get
        {
            var name = Text(0, 100);
            // GNU's own format has times there.
            var prefix = _isPosix ? Text(345, 155) : default;
            return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
        }
    }

    public byte[] LinkTarget => Text(157, 100).ToArray();

    /// <summary>Whether a block has nothing but zeros, as two at the end of an archive do.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> block) => !block.ContainsAnyExcept((byte)0);

    private ReadOnlySpan<byte> Text(int at, int length)
    {
        var field = _block.Slice(at, length);
        var end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }

    // Octal digits behind blanks, up to a blank or zero byte, or GNU's: a byte with its high bit set, then a big-endian number. A
    // zero byte before the digits is refused: some readers take the number for 0 then, and find other entries in the archive.
    private long Number(int at, int length, string what)
    {
        var field = _block.Slice(at, length);
        if ((field[0] & 0x80) != 0)
        {
            return Binary(field, what);
        }

        field = field.TrimStart((byte)' ').TrimEnd(" \0"u8);
        long value = 0;
        foreach (var digit in field)
        {
            if (digit is < (byte)'0' or > (byte)'7')
            {
                throw ArchiveFailure.Entry(Text(0, 100), $"its {what} is no number");
            }

            value = value << 3 | (long)(digit - '0');
        }

        return value;
    }

    private long Binary(ReadOnlySpan<byte> field, string what)
    {
        var isNegative = field[0] == 0xFF;
        var value = field.Length > 8 ? BinaryPrimitives.ReadInt64BigEndian(field[^8..]) : (BinaryPrimitives.ReadInt64BigEndian(field) << 8) >> 8;
        var high = field.Length > 8 ? field[1..^8] : default;
        if ((!isNegative && field[0] != 0x80) || high.ContainsAnyExcept(isNegative ? (byte)0xFF : (byte)0) || value < 0 != isNegative)
        {
            throw ArchiveFailure.Entry(Text(0, 100), $"its {what} is out of range");
        }

        return value;
    }
}
