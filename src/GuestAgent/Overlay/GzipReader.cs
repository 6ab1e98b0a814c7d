using System.Buffers.Binary;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>A gzip file (RFC 1952), decompressed and checked, members one after the other. Zeros may follow the last.</summary>
internal sealed class GzipReader
{
    private const int MaxHeaderText = 64 << 10;
    private const byte HeaderCrc = 2;
    private const byte Extra = 4;
    private const byte Name = 8;
    private const byte Comment = 16;
    private static readonly uint[] s_crc = CrcTable();
    private readonly BitReader _input;
    private Inflater? _member;
    private uint _sum;
    private uint _length;
    private bool _isOver;

    /// <summary>Reads from a stream.</summary>
    public GzipReader(Stream input) => _input = new BitReader(input);

    /// <summary>Fills the output; less only at the end of the file.</summary>
    /// <exception cref="Protocol.ChannelException">InvalidArgument: it is damaged, or no gzip file.</exception>
    public int Read(Span<byte> output)
    {
        int length = 0;
        while (length < output.Length && !_isOver)
        {
            _member ??= Begin(isFirst: false);
            int count = _member?.Read(output[length..]) ?? 0;
            _sum = Crc(_sum, output.Slice(length, count));
            _length += (uint)count;
            length += count;
            if (length < output.Length)
            {
                EndMember();
            }
        }
        return length;
    }

    /// <summary>Reads the header of the first member.</summary>
    public void Open() => _member = Begin(isFirst: true);

    private Inflater? Begin(bool isFirst)
    {
        if (!isFirst && IsRestZero())
        {
            _isOver = true;
            return null;
        }
        Span<byte> header = stackalloc byte[10];
        _input.ReadBytes(header);
        const byte reserved = 0xE0;
        if (header[0] != 0x1F || header[1] != 0x8B || header[2] != 8 || (header[3] & reserved) != 0)
        {
            throw ArchiveFailure.Broken(isFirst ? "it is no gzip file; a package is a .tar.gz" : "something that is no gzip follows its end");
        }
        byte flags = header[3];
        if ((flags & Extra) != 0)
        {
            Skip((int)_input.Take(16));
        }
        SkipText((flags & Name) != 0);
        SkipText((flags & Comment) != 0);
        if ((flags & HeaderCrc) != 0)
        {
            _input.Take(16);
        }
        (_sum, _length) = (0, 0);
        return new Inflater(_input);
    }

    private void EndMember()
    {
        if (_member is null)
        {
            return;
        }
        Span<byte> trailer = stackalloc byte[8];
        _input.Align();
        _input.ReadBytes(trailer);
        if (BinaryPrimitives.ReadUInt32LittleEndian(trailer) != _sum || BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]) != _length)
        {
            throw ArchiveFailure.Broken("it is damaged: its checksum is wrong");
        }
        _member = null;
    }

    // As tapes and blocks pad; anything else must be a member.
    private bool IsRestZero()
    {
        while (!_input.IsAtEnd())
        {
            if (_input.Peek(8) != 0)
            {
                return false;
            }
            _input.Drop(8);
        }
        return true;
    }

    private void Skip(int length)
    {
        for (int i = 0; i < length; i++)
        {
            _input.Take(8);
        }
    }

    private void SkipText(bool isThere)
    {
        for (int length = 0; isThere; length++)
        {
            isThere = _input.Take(8) != 0;
            if (length > MaxHeaderText)
            {
                throw ArchiveFailure.Broken("a text in its header has no end");
            }
        }
    }

    private static uint Crc(uint sum, ReadOnlySpan<byte> bytes)
    {
        sum = ~sum;
        foreach (byte next in bytes)
        {
            sum = sum >> 8 ^ s_crc[(byte)sum ^ next];
        }
        return ~sum;
    }

    // CRC-32 with the reflected polynomial 0xEDB88320 (RFC 1952, 8).
    private static uint[] CrcTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? value >> 1 ^ 0xEDB88320 : value >> 1;
            }
            table[i] = value;
        }
        return table;
    }
}
