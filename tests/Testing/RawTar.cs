using System.IO.Compression;
using System.Text;

namespace ChannelSdk.Testing;

/// <summary>A tar file made block by block, so that it can have what no packer makes.</summary>
public sealed class RawTar
{
    private const int Block = 512;
    private readonly List<byte> _bytes = [];

    /// <summary>An entry with its content.</summary>
    public RawTar Add(string name, char type = '0', string content = "", string link = "", string? size = null, string mode = "0000644", string owner = "0000000", Action<byte[]>? change = null)
    {
        var body = Encoding.Latin1.GetBytes(content);
        var header = new byte[Block];
        Put(header, 0, name);
        Put(header, 100, mode);
        Put(header, 108, owner);
        Put(header, 116, owner);
        Put(header, 124, size ?? Convert.ToString(body.Length, 8).PadLeft(11, '0'));
        Put(header, 136, "14000000000");
        header[156] = (byte)type;
        Put(header, 157, link);
        Put(header, 257, "ustar\0" + "00");
        change?.Invoke(header);
        Seal(header);
        _bytes.AddRange(header);
        _bytes.AddRange(body);
        _bytes.AddRange(new byte[-body.Length & (Block - 1)]);
        return this;
    }

    /// <summary>A pax header before the next entry.</summary>
    public RawTar Pax(params string[] records) => Add("pax", 'x', string.Concat(records.Select(Record)));

    /// <summary>A pax record with its own length before it.</summary>
    public static string Record(string text)
    {
        var length = text.Length + 2;
        while ($"{length} {text}\n".Length != length)
        {
            length++;
        }

        return $"{length} {text}\n";
    }

    /// <summary>The end's mark, compressed.</summary>
    public byte[] Gzip(bool withEnd = true) => Gzip([.. _bytes, .. new byte[withEnd ? 2 * Block : 0]]);

    public static byte[] Gzip(byte[] content, CompressionLevel level = CompressionLevel.Optimal)
    {
        using var result = new MemoryStream();
        using (var gzip = new GZipStream(result, level))
        {
            gzip.Write(content);
        }

        return result.ToArray();
    }

    /// <summary>Writes the checksum.</summary>
    public static void Seal(byte[] header)
    {
        header.AsSpan(148, 8).Fill((byte)' ');
        Put(header, 148, Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ");
    }

    private static void Put(byte[] header, int at, string text) => Encoding.Latin1.GetBytes(text).CopyTo(header, at);
}
