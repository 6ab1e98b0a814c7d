using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>
/// Reads a file of any length a line at a time, for the tables of the kernel and of users: of megabytes of them, one line is in
/// memory. A line that is longer than any of theirs is left out.
/// </summary>
public sealed class LineFile : IDisposable
{
    // A line of mountinfo has three names of at most 4 KiB, of which each byte may stand as four.
    private const int MaxLine = 128 << 10;
    private const int FirstBuffer = 16 << 10;
    private readonly SafeFd _file;
    private byte[] _buffer = new byte[FirstBuffer];
    private int _start;
    private int _end;
    private bool _isEnded;
    private bool _isTooLong;

    /// <summary>Opens it; <see cref="Error"/> tells whether that failed.</summary>
    public LineFile(string path)
    {
        _file = new SafeFd(FileCalls.Open(path, Abi.O_CLOEXEC, 0));
        Error = _file.IsInvalid ? Errno.Last : 0;
    }

    /// <summary>The errno of what failed so far, or 0.</summary>
    public int Error { get; private set; }

    /// <summary>The next line, without its end; it holds until the next call.</summary>
    /// <returns>False at the end, or after an error.</returns>
    public bool Next(out ReadOnlySpan<byte> line)
    {
        while (true)
        {
            ReadOnlySpan<byte> rest = _buffer.AsSpan(_start, _end - _start);
            var size = rest.IndexOf((byte)'\n');
            var isLast = size < 0 && _isEnded;
            line = size < 0 ? rest : rest[..size];
            if (size >= 0 || isLast)
            {
                _start += isLast ? rest.Length : size + 1;
                if (!_isTooLong)
                {
                    return !isLast || rest.Length > 0;
                }

                _isTooLong = false;
                if (isLast)
                {
                    return false;
                }
            }
            else
            {
                Fill();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private unsafe void Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        if (_end == MaxLine)
        {
            (_end, _isTooLong) = (0, true);
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Min(MaxLine, _buffer.Length * 2));
        }

        nint count = -1;
        if (Error == 0)
        {
            fixed (byte* start = _buffer)
            {
                count = DescriptorCalls.Read(_file, start + _end, (nuint)(_buffer.Length - _end));
            }

            if (count < 0)
            {
                Error = Errno.Last == Errno.EINTR ? 0 : Errno.Last;
            }
        }

        _end += (int)Math.Max(0, count);
        _isEnded = count == 0 || Error != 0;
    }
}
