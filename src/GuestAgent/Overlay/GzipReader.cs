using System.Buffers.Binary;
using System.IO.Hashing;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>A gzip file (RFC 1952), decompressed and checked, members one after the other. Zeros may follow the last.</summary>
internal sealed class GzipReader
{
    private const int MaxHeaderText = 64 << 10;
    private const byte HeaderCrc = 2;
    private const byte Extra = 4;
    private const byte Name = 8;
    private const byte Comment = 16;
    private readonly Crc32 _sum = new();
    private readonly BitReader _input;
    private Inflater? _member;
    private uint _length;
    private bool _isOver;

    /// <summary>Reads from a stream.</summary>
    public GzipReader(Stream input) => _input = new BitReader(input);

    /// <summary>Fills the output; less only at the end of the file.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: it is damaged, or no gzip file.</exception>
    public int Read(Span<byte> output)
    {
        var length = 0;
        while (length < output.Length && !_isOver)
        {
            _member ??= Begin(isFirst: false);
            var count = _member?.Read(output[length..]) ?? 0;
            _sum.Append(output.Slice(length, count));
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

        var flags = header[3];
        if ((flags & Extra) != 0)
        {
            Skip((int)_input.Read(16));
        }

        SkipText((flags & Name) != 0);
        SkipText((flags & Comment) != 0);
        if ((flags & HeaderCrc) != 0)
        {
            _input.Read(16);
        }

        _sum.Reset();
        _length = 0;
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
        if (BinaryPrimitives.ReadUInt32LittleEndian(trailer) != _sum.GetCurrentHashAsUInt32() || BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]) != _length)
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
        for (var i = 0; i < length; i++)
        {
            _input.Read(8);
        }
    }

    private void SkipText(bool isThere)
    {
        for (var length = 0; isThere; length++)
        {
            isThere = _input.Read(8) != 0;
            if (length > MaxHeaderText)
            {
                throw ArchiveFailure.Broken("a text in its header has no end");
            }
        }
    }
}
