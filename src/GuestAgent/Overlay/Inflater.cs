namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>
/// Deflate, decompressed (RFC 1951). The framework's own would bring a compressor and a second library into the agent,
/// more than all of this service.
/// </summary>
/// <param name="input">The compressed bits.</param>
internal sealed class Inflater(BitReader input)
{
    private const int WindowSize = 32 << 10;
    private const int EndOfBlock = 256;
    private static readonly ushort[] s_lengthBase =
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    private static readonly byte[] s_lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    private static readonly ushort[] s_distanceBase =
        [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
    private static readonly byte[] s_distanceExtra =
        [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    private static readonly byte[] s_lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    private static readonly HuffmanCode s_fixedLiterals = FixedLiterals();
    private static readonly HuffmanCode s_fixedDistances = FixedDistances();

    private readonly byte[] _window = new byte[WindowSize];
    private long _written;
    private State _state;
    private bool _isLast;
    private int _left;
    private int _distance;
    private HuffmanCode _literals = s_fixedLiterals;
    private HuffmanCode _distances = s_fixedDistances;

    private enum State
    {
        Header,
        Stored,
        Symbols,
        Copy,
        End,
    }

    /// <summary>Fills the output; less only at the end of the data.</summary>
    public int Read(Span<byte> output)
    {
        var length = 0;
        while (length < output.Length && _state != State.End)
        {
            switch (_state)
            {
                case State.Header:
                    ReadHeader();
                    break;
                case State.Stored:
                    var part = Math.Min(_left, output.Length - length);
                    input.ReadBytes(output.Slice(length, part));
                    foreach (var stored in output.Slice(length, part))
                    {
                        Remember(stored);
                    }

                    length += part;
                    _left -= part;
                    EndBlockIf(_left == 0);
                    break;
                case State.Symbols:
                    var symbol = _literals.Decode(input);
                    if (symbol < EndOfBlock)
                    {
                        output[length++] = Remember((byte)symbol);
                    }
                    else
                    {
                        EndBlockIf(symbol == EndOfBlock);
                        ReadCopy(symbol);
                    }

                    break;
                default:
                    while (_left > 0 && length < output.Length)
                    {
                        output[length++] = Remember(_window[(_written - _distance) & (WindowSize - 1)]);
                        _left--;
                    }

                    _state = _left == 0 ? State.Symbols : State.Copy;
                    break;
            }
        }

        return length;
    }

    private byte Remember(byte value) => _window[_written++ & (WindowSize - 1)] = value;

    private void EndBlockIf(bool isEnd)
    {
        if (isEnd)
        {
            _state = _isLast ? State.End : State.Header;
        }
    }

    private void ReadHeader()
    {
        _isLast = input.Read(1) == 1;
        switch (input.Read(2))
        {
            case 0:
                input.Align();
                var lengths = input.Read(32);
                _left = (int)(lengths & 0xFFFF);
                if ((lengths >> 16 ^ 0xFFFF) != (uint)_left)
                {
                    throw ArchiveFailure.Broken("its compressed data are damaged (a stored block's length)");
                }

                _state = State.Stored;
                EndBlockIf(_left == 0);
                break;
            case 1:
                (_literals, _distances, _state) = (s_fixedLiterals, s_fixedDistances, State.Symbols);
                break;
            case 2:
                ReadCodes();
                _state = State.Symbols;
                break;
            default:
                throw ArchiveFailure.Broken("its compressed data are damaged (a block of no kind)");
        }
    }

    private void ReadCopy(int symbol)
    {
        if (symbol == EndOfBlock)
        {
            return;
        }

        var code = symbol - EndOfBlock - 1;
        if (code >= s_lengthBase.Length)
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (a length)");
        }

        _left = s_lengthBase[code] + (int)input.Read(s_lengthExtra[code]);
        var distance = _distances.Decode(input);
        if (distance >= s_distanceBase.Length)
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (a distance)");
        }

        _distance = s_distanceBase[distance] + (int)input.Read(s_distanceExtra[distance]);
        if (_distance > _written)
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (a distance before the beginning)");
        }

        _state = State.Copy;
    }

    private void ReadCodes()
    {
        var literals = (int)input.Read(5) + 257;
        var distances = (int)input.Read(5) + 1;
        var codes = (int)input.Read(4) + 4;
        if (literals > 286 || distances > 30)
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (the size of a code)");
        }

        Span<byte> lengths = stackalloc byte[286 + 30];
        lengths.Clear();
        for (var i = 0; i < codes; i++)
        {
            lengths[s_lengthOrder[i]] = (byte)input.Read(3);
        }

        var code = new HuffmanCode(lengths[..19], mayBeIncomplete: false);
        lengths.Clear();
        for (var at = 0; at < literals + distances;)
        {
            var symbol = code.Decode(input);
            var (repeat, value) = symbol switch
            {
                < 16 => (1, (byte)symbol),
                16 when at > 0 => (3 + (int)input.Read(2), lengths[at - 1]),
                17 => (3 + (int)input.Read(3), (byte)0),
                18 => (11 + (int)input.Read(7), (byte)0),
                _ => throw ArchiveFailure.Broken("its compressed data are damaged (a repetition of nothing)"),
            };
            if (at + repeat > literals + distances)
            {
                throw ArchiveFailure.Broken("its compressed data are damaged (too many lengths)");
            }

            lengths.Slice(at, repeat).Fill(value);
            at += repeat;
        }

        if (lengths[EndOfBlock] == 0)
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (a block without an end)");
        }

        _literals = new HuffmanCode(lengths[..literals], mayBeIncomplete: true);
        _distances = new HuffmanCode(lengths.Slice(literals, distances), mayBeIncomplete: true);
    }

    private static HuffmanCode FixedLiterals()
    {
        Span<byte> lengths = stackalloc byte[288];
        lengths[..144].Fill(8);
        lengths[144..256].Fill(9);
        lengths[256..280].Fill(7);
        lengths[280..].Fill(8);
        return new HuffmanCode(lengths, mayBeIncomplete: false);
    }

    private static HuffmanCode FixedDistances()
    {
        // Two of the thirty-two code words have no meaning; their use is an error.
        Span<byte> lengths = stackalloc byte[32];
        lengths.Fill(5);
        return new HuffmanCode(lengths, mayBeIncomplete: false);
    }
}
