using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>The entries of a tar file, one after the other: ustar, pax, GNU's long names. Anything else is refused.</summary>
/// <param name="input">The decompressed bytes.</param>
/// <param name="most">How many of them there may be, headers and padding included.</param>
/// <param name="cancellationToken">Asked at each block and piece of content.</param>
internal sealed class TarReader(GzipReader input, long most, CancellationToken cancellationToken)
{
    private const int MaxExtended = 64 << 10;
    // Global ones, and an entry's own.
    private const int MaxExtendedHeaders = 32;
    private const int MaxPadding = 16 << 20;
    private readonly byte[] _block = new byte[TarHeader.BlockSize];
    private long _total;
    private long _left;
    private long _padding;

    /// <summary>The next entry; null at the end, which was then checked to be the end of the whole file.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: damaged, or not allowed.</exception>
    public TarEntry? Next()
    {
        SkipContent();
        var extended = new PaxRecords();
        var come = Extensions.None;
        for (var headers = 0; headers <= MaxExtendedHeaders; headers++)
        {
            if (Fill(_block) is var length && length < _block.Length)
            {
                throw ArchiveFailure.Broken(length == 0 ? "it ends without the mark of its end" : "it ends in the middle of a block");
            }

            if (TarHeader.IsEmpty(_block))
            {
                CheckRest();
                return come == Extensions.None ? null : throw ArchiveFailure.Broken("it ends between an entry and the entry's own headers");
            }

            var header = new TarHeader(_block);
            if (header.HasPrefix && (header.Type is (byte)'L' or (byte)'K' || (come & (Extensions.LongName | Extensions.LongLink)) != 0))
            {
                // Some readers take both headers for GNU's, which has times there.
                throw ArchiveFailure.Entry(header.Name, "it has GNU's extended header and POSIX's name in two fields");
            }

            switch (header.Type)
            {
                case (byte)'g' when come == Extensions.None:
                    new PaxRecords().Add(Extended(header), isGlobal: true);
                    break;
                case (byte)'x' when come == Extensions.None:
                    come = Extensions.Records;
                    extended.Add(Extended(header), isGlobal: false);
                    break;
                case (byte)'L' when (come & ~Extensions.LongLink) == 0:
                    come |= Extensions.LongName;
                    extended.Name = Text(Extended(header));
                    break;
                case (byte)'K' when (come & ~Extensions.LongName) == 0:
                    come |= Extensions.LongLink;
                    extended.LinkTarget = Text(Extended(header));
                    break;
                case (byte)'g' or (byte)'x' or (byte)'L' or (byte)'K':
                    throw ArchiveFailure.Broken("extended headers in it come twice for one entry, are of both formats, or have a global one among them");
                default:
                    return Entry(header, extended);
            }
        }

        throw ArchiveFailure.Broken($"an entry of it has more than {MaxExtendedHeaders} extended headers");
    }

    /// <summary>The content of the file that <see cref="Next"/> gave, by and by; 0 at its end.</summary>
    public int Read(Span<byte> output)
    {
        var length = (int)Math.Min(output.Length, _left);
        if (Fill(output[..length]) < length)
        {
            throw ArchiveFailure.Broken("it ends in the middle of a file");
        }

        _left -= length;
        return length;
    }

    // A few compressed bytes become a thousand times as many: each is counted, and the work can be called off at any.
    private int Fill(Span<byte> output)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var length = input.Read(output);
        _total += length;
        return _total <= most ? length : throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused,
            $"the archive is refused: decompressed it has more than {most} bytes with its headers");
    }

    private TarEntry Entry(TarHeader header, PaxRecords extended)
    {
        var raw = extended.Name ?? header.Name;
        var kind = header.Type switch
        {
            (byte)'0' or 0 or (byte)'7' => raw is [.., (byte)'/'] ? TarKind.Folder : TarKind.File,
            (byte)'1' => TarKind.HardLink,
            (byte)'2' => TarKind.SymbolicLink,
            (byte)'5' => TarKind.Folder,
            (byte)'3' or (byte)'4' => throw ArchiveFailure.Entry(raw, "it is a device"),
            (byte)'6' => throw ArchiveFailure.Entry(raw, "it is a pipe"),
            (byte)'S' => throw ArchiveFailure.Entry(raw, "it is a sparse file; pack it without --sparse"),
            _ => throw ArchiveFailure.Entry(raw, "it is of a kind that is not allowed in a package"),
        };
        var name = ArchivePath.Normalize(raw, raw, "its name");
        if (name.Length == 0 && kind != TarKind.Folder)
        {
            throw ArchiveFailure.Entry(raw, "it would take the place of the system's root");
        }

        var size = extended.Size ?? header.Size;
        // POSIX lets a hard link have the content once more. Some packers tell the size there without it, and readers guess.
        if (size < 0 || (kind != TarKind.File && size != 0))
        {
            throw ArchiveFailure.Entry(raw, "its size is out of range");
        }

        var link = kind switch
        {
            TarKind.HardLink => ArchivePath.Normalize(extended.LinkTarget ?? header.LinkTarget, raw, "the file that it is another name of"),
            TarKind.SymbolicLink => extended.LinkTarget ?? header.LinkTarget,
            _ => [],
        };
        if (kind == TarKind.SymbolicLink)
        {
            ArchivePath.CheckLink(name, link);
        }

        (_left, _padding) = (size, -size & (TarHeader.BlockSize - 1));
        var (seconds, nanoseconds) = extended.Modified ?? (header.Modified, 0);
        return new TarEntry(kind, name, link, size, (uint)header.Mode & 0xFFF, Owner(extended.Uid ?? header.Uid, raw), Owner(extended.Gid ?? header.Gid, raw), seconds, nanoseconds);
    }

    private static uint Owner(long number, byte[] name) => number is >= 0 and < uint.MaxValue
        ? (uint)number : throw ArchiveFailure.Entry(name, "the number of its owner or group is out of range");

    private byte[] Extended(TarHeader header)
    {
        var size = header.Size;
        if (size is < 0 or > MaxExtended)
        {
            throw ArchiveFailure.Entry(header.Name, $"an extended header has at most {MaxExtended} bytes");
        }

        var content = new byte[(size + TarHeader.BlockSize - 1) & -TarHeader.BlockSize];
        return Fill(content) == content.Length ? content[..(int)size] : throw ArchiveFailure.Broken("it ends in the middle of a header");
    }

    // Of one entry: pax records, or GNU's long names. POSIX lets a global header stand among them; no packer does what is refused, and
    // readers disagree on it: some go by the last header, some forget those before it, some refuse.
    [Flags]
    private enum Extensions : byte
    {
        None = 0,
        Records = 1,
        LongName = 2,
        LongLink = 4,
    }

    // GNU's long names end with a zero byte.
    private static byte[] Text(byte[] content) => Array.IndexOf(content, (byte)0) is >= 0 and var end ? content[..end] : content;

    private void SkipContent()
    {
        Span<byte> buffer = stackalloc byte[4 << 10];
        _left += _padding;
        _padding = 0;
        while (_left > 0)
        {
            Read(buffer);
        }
    }

    // The second empty block, and what fills up the last record.
    private void CheckRest()
    {
        Span<byte> buffer = stackalloc byte[4 << 10];
        var total = 0;
        for (var length = 1; length > 0; total += length)
        {
            length = Fill(buffer);
            if (buffer[..length].ContainsAnyExcept((byte)0) || total > MaxPadding)
            {
                throw ArchiveFailure.Broken("something follows the mark of its end");
            }
        }
    }
}
