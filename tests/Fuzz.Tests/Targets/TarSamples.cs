using System.Formats.Tar;
using System.Text;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>Packages to begin with, words of the format, and what makes an archive of any bytes.</summary>
internal static class TarSamples
{
    private const int Block = 512;

    /// <summary>One of each format, without the mark of its end.</summary>
    internal static IReadOnlyList<byte[]> All { get; } = [Pack(TarEntryFormat.Ustar), Pack(TarEntryFormat.Pax), Pack(TarEntryFormat.Gnu), Pack(TarEntryFormat.V7)];

    internal static IReadOnlyList<byte[]> Tokens { get; } =
    [
        [.. "ustar\0"u8, .. "00"u8], [.. "ustar  \0"u8], [.. "00000000010\0"u8], [.. "0000644\0"u8], [.. "20 path=aaaaaaaaaaa\n"u8], [.. "11 size=10\n"u8], [.. "16 linkpath=a/b\n"u8],
        [.. "20 mtime=1.5000000\n"u8], [.. "12 uid=1000\n"u8], [.. "10 gid=33\n"u8], [.. "13 comment=x\n"u8], [.. "././@LongLink"u8], [.. "a/b/"u8], [.. "./"u8],
        [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE], [(byte)'x'], [(byte)'g'], [(byte)'L'], [(byte)'K'], new byte[Block],
    ];

    /// <summary>The input in whole blocks, with right sums in what may be headers, and with the mark of an end.</summary>
    internal static byte[] Complete(ReadOnlySpan<byte> input)
    {
        var tar = new byte[(input.Length + Block - 1) / Block * Block + 2 * Block];
        input.CopyTo(tar);
        for (var at = 0; at + Block <= tar.Length;)
        {
            var header = tar.AsSpan(at, Block);
            at += Block;
            if (!header.ContainsAnyExcept((byte)0))
            {
                continue;
            }

            ClearUnused(header);
            header.Slice(148, 8).Fill((byte)' ');
            var sum = 0;
            foreach (var one in header)
            {
                sum += one;
            }

            Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ", header.Slice(148, 8));
            var size = 0;
            foreach (var digit in header.Slice(124, 12).Trim(" \0"u8))
            {
                size = digit is >= (byte)'0' and <= (byte)'7' && size < tar.Length ? size * 8 + digit - '0' : 0;
            }

            at += size <= tar.Length - at ? (size + Block - 1) / Block * Block : 0;
        }

        return tar;
    }

    // The numbers of devices, and the other times of GNU's format, which the agent has no use for and the library refuses.
    private static void ClearUnused(Span<byte> header)
    {
        header.Slice(329, 16).Clear();
        if (header.Slice(257, 8).SequenceEqual("ustar  \0"u8))
        {
            header.Slice(345, 24).Clear();
        }
    }

    private static byte[] Pack(TarEntryFormat format)
    {
        using var result = new MemoryStream();
        using (var writer = new TarWriter(result, format, leaveOpen: true))
        {
            Write(writer, format, TarEntryType.Directory, "./srv/", null, null);
            Write(writer, format, format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile, "srv/data", null, "content"u8.ToArray());
            Write(writer, format, TarEntryType.HardLink, "srv/same", "./srv/data", null);
            Write(writer, format, TarEntryType.SymbolicLink, "srv/link", "../etc/x", null);
            if (format is TarEntryFormat.Pax or TarEntryFormat.Gnu)
            {
                Write(writer, format, TarEntryType.RegularFile, $"srv/{new string('n', 120)}", null, [1, 2, 3]);
                Write(writer, format, TarEntryType.SymbolicLink, $"srv/{new string('m', 120)}", $"../etc/{new string('o', 120)}", null);
            }
        }

        return result.ToArray()[..^(2 * Block)];
    }

    private static void Write(TarWriter writer, TarEntryFormat format, TarEntryType type, string name, string? link, byte[]? content)
    {
        TarEntry entry = format switch
        {
            TarEntryFormat.V7 => new V7TarEntry(type, name),
            TarEntryFormat.Ustar => new UstarTarEntry(type, name),
            TarEntryFormat.Pax => new PaxTarEntry(type, name),
            _ => new GnuTarEntry(type, name),
        };
        entry.ModificationTime = DateTimeOffset.FromUnixTimeSeconds(1_600_000_001);
        if (link is not null)
        {
            entry.LinkName = link;
        }

        if (content is not null)
        {
            entry.DataStream = new MemoryStream(content);
        }

        writer.WriteEntry(entry);
    }
}
