using System.Buffers;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// Cuts what one client sends into JSON texts: at the bracket that closes the first one, since the protocol needs no line
/// ends. The byte 0xFF, which is in no JSON text, drops the part of a text that has come.
/// </summary>
/// <param name="memory">What long texts are taken from.</param>
internal sealed class QgaFramer(QgaMemory memory)
{
    /// <summary>Bytes of the longest text; a file's content comes in pieces of at most three quarters of it.</summary>
    public const int MaxMessage = 4 << 20;

    /// <summary>Brackets within each other.</summary>
    public const int MaxDepth = 64;

    private const int Small = 4 << 10;
    private const byte Reset = 0xFF;
    private static readonly SearchValues<byte> s_endsString = SearchValues.Create([(byte)'"', (byte)'\'', (byte)'\\', Reset]);

    private byte[] _buffer = new byte[Small];
    private int _start;
    private int _scanned;
    private int _end;
    private int _depth;
    private State _state;
    private byte _quote;

    private enum State
    {
        Between,
        Literal,
        Structure,
        String,
        Escape,
        Skip,
    }

    /// <summary>Whether a text has begun and not ended.</summary>
    public bool HasPartial => _end > _start;

    /// <summary>Where the next bytes go; never empty once <see cref="Next"/> has given null.</summary>
    public Memory<byte> Space
    {
        get
        {
            if (_start == _end)
            {
                _start = _scanned = _end = 0;
                Shrink();
            }

            if (_end == _buffer.Length)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                (_scanned, _end, _start) = (_scanned - _start, _end - _start, 0);
            }

            return _buffer.AsMemory(_end);
        }
    }

    /// <summary>The bytes that were put into <see cref="Space"/> and not yet taken.</summary>
    public ReadOnlySpan<byte> NewBytes(int count) => _buffer.AsSpan(_end, count);

    /// <summary>Says how many bytes were put into <see cref="Space"/>.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Forgets what has come of a text.</summary>
    public void Drop()
    {
        _scanned = _end;
        Begin();
    }

    /// <summary>Gives the memory of a long text back; the framer is of no use afterwards.</summary>
    public void Release()
    {
        _start = _scanned = _end = 0;
        Shrink();
    }

    /// <summary>The next whole text, or null. It is valid until <see cref="Space"/> is asked for.</summary>
    /// <exception cref="QgaException">A text is too long or too deep; what remains of its line is skipped.</exception>
    public Memory<byte>? Next()
    {
        while (_scanned < _end)
        {
            if (_state is State.String or State.Skip && !Hurry())
            {
                break;
            }

            var next = _buffer[_scanned++];
            if (next == Reset)
            {
                Begin();
            }
            else if (Step(next))
            {
                var message = _buffer.AsMemory(_start, _scanned - _start);
                Begin();
                return message;
            }
        }

        if (_end == _buffer.Length && _start == 0)
        {
            Grow();
        }

        return null;
    }

    /// <summary>Goes to the next byte that means something in a string or behind an error; false if there is none.</summary>
    private bool Hurry()
    {
        ReadOnlySpan<byte> left = _buffer.AsSpan(_scanned, _end - _scanned);
        var at = _state == State.String ? left.IndexOfAny(s_endsString) : left.IndexOfAny((byte)'\n', Reset);
        _scanned = at < 0 ? _end : _scanned + at;
        if (_state == State.Skip)
        {
            _start = _scanned;
        }

        return at >= 0;
    }

    /// <summary>Takes one byte; true if it is the last one of a text.</summary>
    private bool Step(byte next)
    {
        switch (_state)
        {
            case State.Skip:
                Begin();
                return false;
            case State.Escape:
                _state = State.String;
                return false;
            case State.String when next == '\\':
                _state = State.Escape;
                return false;
            case State.String:
                // A quote of the other kind is a character.
                _state = next == _quote ? State.Structure : State.String;
                return next == _quote && _depth == 0;
            case State.Literal:
                var isOver = next is <= (byte)' ' or (byte)'{' or (byte)'}' or (byte)'[' or (byte)']' or (byte)'"' or (byte)'\'';
                _scanned -= isOver ? 1 : 0;
                return isOver;
            case State.Between when next <= (byte)' ':
                Begin();
                return false;
            default:
                return Structure(next);
        }
    }

    private bool Structure(byte next)
    {
        switch (next)
        {
            case (byte)'{' or (byte)'[':
                _state = State.Structure;
                return ++_depth > MaxDepth ? throw Fail("JSON nesting depth limit exceeded") : false;
            case (byte)'}' or (byte)']':
                return --_depth <= 0;
            case (byte)'"' or (byte)'\'':
                (_state, _quote) = (State.String, next);
                return false;
            default:
                _state = _state == State.Between ? State.Literal : _state;
                return false;
        }
    }

    private void Begin() => (_start, _depth, _state) = (_scanned, 0, State.Between);

    private void Grow()
    {
        var old = _buffer.Length > Small ? _buffer.Length : 0;
        var wanted = Math.Min(_buffer.Length * 2, MaxMessage);
        if (_buffer.Length == MaxMessage)
        {
            throw Fail("JSON token size limit exceeded");
        }

        if (!memory.TryTake(wanted - old))
        {
            throw Fail("the agent has no memory left for a text of this length; try again, or send a shorter one");
        }

        Array.Resize(ref _buffer, wanted);
    }

    private void Shrink()
    {
        if (_buffer.Length > Small)
        {
            memory.GiveBack(_buffer.Length);
            _buffer = new byte[Small];
        }
    }

    private QgaException Fail(string what)
    {
        _scanned = _end;
        Begin();
        _state = State.Skip;
        return new QgaException(what);
    }
}
