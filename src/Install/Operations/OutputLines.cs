using System.Text;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// What a script writes, cut into lines that can be shown: escaped, without private and secret values, of bounded length
/// and number. Further output is read and dropped, so that the script does not block.
/// </summary>
/// <param name="redactor">Removes private and secret values.</param>
/// <param name="budget">Bytes that are kept in all.</param>
/// <param name="told">Gets each line.</param>
internal sealed class OutputLines(Redactor redactor, long budget, Action<string> told)
{
    private const int MaxLine = 4096;
    private readonly byte[] _line = new byte[MaxLine + redactor.Longest];
    private int _length;
    private long _told;
    private bool _isCut;

    private string _last = "";

    public void Add(ReadOnlySpan<byte> untrusted)
    {
        while (!untrusted.IsEmpty && !_isCut)
        {
            var end = untrusted.IndexOf((byte)'\n');
            var part = end < 0 ? untrusted : untrusted[..end];
            var taken = Math.Min(part.Length, _line.Length - _length);
            part[..taken].CopyTo(_line.AsSpan(_length));
            _length += taken;
            untrusted = untrusted[taken..];
            if (end == taken)
            {
                untrusted = untrusted[1..];
                Flush();
            }
            else if (_length == _line.Length)
            {
                // A value that lies across the cut is still whole, as the rest stays behind.
                redactor.Apply(_line);
                Tell(_line.AsSpan(0, MaxLine));
                _line.AsSpan(MaxLine).CopyTo(_line);
                _length = redactor.Longest;
            }
        }
    }

    /// <summary>What wrote it has ended: its last line may have no end.</summary>
    /// <returns>The last line that was not empty, for an error; empty: there was none.</returns>
    public string End()
    {
        Flush();
        return Interlocked.Exchange(ref _last, "");
    }

    private void Flush()
    {
        var line = _line.AsSpan(0, _length);
        redactor.Apply(line);
        for (var rest = line; !rest.IsEmpty; rest = rest[Math.Min(rest.Length, MaxLine)..])
        {
            Tell(rest[..Math.Min(rest.Length, MaxLine)]);
        }

        line.Clear();
        _length = 0;
    }

    private void Tell(ReadOnlySpan<byte> line)
    {
        if (_isCut || line.IsEmpty)
        {
            return;
        }

        _told += line.Length;
        _isCut = _told > budget;
        _last = SafeText.Escape(Encoding.UTF8.GetString(line.TrimEnd((byte)'\r')), MaxLine);
        told(_isCut ? $"(more than {budget} bytes; what follows is not kept)" : _last);
    }
}
