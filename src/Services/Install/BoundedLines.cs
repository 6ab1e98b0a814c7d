using System.Text;

namespace ChannelSdk.Services.Install;

/// <summary>Lines of a byte stream; of an overlong one the beginning, so that it needs no more memory than a log line.</summary>
internal sealed class BoundedLines(Stream input)
{
    private readonly byte[] _buffer = new byte[8 << 10];
    private readonly byte[] _line = new byte[ScriptLimits.MaxLog + 1];
    private int _start;
    private int _end;

    /// <summary>The next line without its end; false after the last.</summary>
    public bool TryNext(out string line)
    {
        var length = 0;
        var isAny = false;
        while (true)
        {
            if (_start == _end)
            {
                (_start, _end) = (0, input.Read(_buffer));
                if (_end == 0)
                {
                    line = Encoding.UTF8.GetString(_line, 0, length);
                    return isAny;
                }
            }

            isAny = true;
            var end = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            var part = _buffer.AsSpan(_start, end < 0 ? _end - _start : end);
            var kept = part[..Math.Min(part.Length, _line.Length - length)];
            kept.CopyTo(_line.AsSpan(length));
            length += kept.Length;
            _start += part.Length + (end < 0 ? 0 : 1);
            if (end >= 0)
            {
                line = Encoding.UTF8.GetString(_line, 0, length);
                return true;
            }
        }
    }
}
