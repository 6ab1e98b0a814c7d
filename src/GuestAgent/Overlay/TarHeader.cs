using System.Buffers.Binary;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>The 512 bytes before each entry (POSIX.1-2017, pax, "ustar Interchange Format"; GNU's use of it).</summary>
internal readonly ref struct TarHeader
{
    /// <summary>Everything in an archive comes in blocks of this size.</summary>
    public const int BlockSize = 512;

    private readonly ReadOnlySpan<byte> _block;

    /// <summary>Checks a block's sum.</summary>
    /// <exception cref="Protocol.ChannelException">It is no header.</exception>
    public TarHeader(ReadOnlySpan<byte> untrustedBlock)
    {
        _block = untrustedBlock;
        uint sum = 8 * ' ';
        for (int i = 0; i < BlockSize; i++)
        {
            sum += i is >= 148 and < 156 ? 0u : untrustedBlock[i];
        }
        if (Number(148, 8, "checksum") != sum)
        {
            throw ArchiveFailure.Entry(Text(0, 100), "the checksum of its header is wrong; this is no tar, or a damaged one");
        }
    }

    /// <summary>One character that tells what the entry is.</summary>
    public byte Type => _block[156];

    public long Mode => Number(100, 8, "mode");

    public long Uid => Number(108, 8, "owner");

    public long Gid => Number(116, 8, "group");

    public long Size => Number(124, 12, "size");

    public long Modified => Number(136, 12, "time");

    /// <summary>The name, of two fields in the POSIX format.</summary>
    public byte[] Name
    {
        get
        {
            ReadOnlySpan<byte> name = Text(0, 100);
            // GNU's own format says "ustar  " and has times there.
            bool isPosix = _block.Slice(257, 6).SequenceEqual("ustar\0"u8);
            ReadOnlySpan<byte> prefix = isPosix ? Text(345, 155) : default;
            return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
        }
    }

    public byte[] Link => Text(157, 100).ToArray();

    /// <summary>Whether a block has nothing but zeros, as two at the end of an archive do.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> block) => !block.ContainsAnyExcept((byte)0);

    private ReadOnlySpan<byte> Text(int at, int length)
    {
        ReadOnlySpan<byte> field = _block.Slice(at, length);
        int end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }

    // Octal digits with blanks and zeros around them, or GNU's: a byte with its high bit set, then a big-endian number.
    private long Number(int at, int length, string what)
    {
        ReadOnlySpan<byte> field = _block.Slice(at, length);
        if ((field[0] & 0x80) != 0)
        {
            return Binary(field, what);
        }
        field = field.Trim(" \0"u8);
        long value = 0;
        foreach (byte digit in field)
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
        bool isNegative = field[0] == 0xFF;
        long value = field.Length > 8 ? BinaryPrimitives.ReadInt64BigEndian(field[^8..]) : (BinaryPrimitives.ReadInt64BigEndian(field) << 8) >> 8;
        ReadOnlySpan<byte> high = field.Length > 8 ? field[1..^8] : default;
        if ((!isNegative && field[0] != 0x80) || high.ContainsAnyExcept(isNegative ? (byte)0xFF : (byte)0) || value < 0 != isNegative)
        {
            throw ArchiveFailure.Entry(Text(0, 100), $"its {what} is out of range");
        }
        return value;
    }
}
