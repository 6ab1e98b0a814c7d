using System.Text;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Lines of a byte stream; of an overlong one the beginning, so that it needs no more memory than a log line.</summary>
internal sealed class HalfLines(Stream input) : IDisposable
{
    private readonly byte[] _buffer = new byte[8 << 10];
    private readonly MemoryStream _line = new();
    private int _start;
    private int _end;

    /// <summary>The next line without its end; null after the last.</summary>
    public async ValueTask<string?> NextAsync(CancellationToken cancellationToken)
    {
        _line.SetLength(0);
        var isAny = false;
        while (true)
        {
            if (_start == _end)
            {
                (_start, _end) = (0, await input.ReadAsync(_buffer, cancellationToken).ConfigureAwait(false));
                if (_end == 0)
                {
                    return isAny ? Text() : null;
                }
            }

            isAny = true;
            var length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            var part = _buffer.AsSpan(_start, length < 0 ? _end - _start : length);
            _line.Write(part[..Math.Min(part.Length, HalfLimits.MaxLog + 1 - (int)_line.Length)]);
            _start += part.Length + (length < 0 ? 0 : 1);
            if (length >= 0)
            {
                return Text();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _line.Dispose();

    private string Text() => Encoding.UTF8.GetString(_line.GetBuffer(), 0, (int)_line.Length);
}
