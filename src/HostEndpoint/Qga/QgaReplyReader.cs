using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// Finds the awaited line in what a guest sends. The guest may send anything; only that line is kept, up to its bound, and
/// each byte is looked at once.
/// </summary>
internal sealed class QgaReplyReader
{
    /// <summary>Bytes of the longest answer to a synchronization: a number in an object.</summary>
    public const int MaxSync = 256;

    private const int Start = 4096;
    private const int MaxTokens = 256 << 10;
    private const byte Sentinel = 0xFF;
    private byte[] _buffer = [];
    private int _length;
    private int _limit;
    private bool _isDelimited;
    private bool _isKept;

    /// <summary>Begins to wait for the answer to a synchronization: a short line behind a 0xFF. Other bytes are dropped.</summary>
    public void AwaitSync() => (_isDelimited, _isKept, _length, _limit) = (true, false, 0, MaxSync);

    /// <summary>Begins to wait for the next line, of so many bytes at most.</summary>
    public void AwaitReply(int limit) => (_isDelimited, _isKept, _length, _limit) = (false, true, 0, limit);

    /// <summary>Forgets what is there.</summary>
    public void Clear() => (_buffer, _length) = ([], 0);

    /// <summary>Takes bytes up to the end of the awaited line, or all.</summary>
    /// <param name="untrusted">What came; what is left of it afterwards belongs to later lines.</param>
    /// <param name="line">The line without its end and without what stands before a 0xFF; the caller's own.</param>
    /// <returns>Whether it is there.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.ResourceExhausted"/>: a reply is too long.</exception>
    public bool TryTake(ref ReadOnlyMemory<byte> untrusted, out ReadOnlyMemory<byte> line)
    {
        line = default;
        while (!untrusted.IsEmpty)
        {
            var end = untrusted.Span.IndexOf((byte)'\n');
            var part = untrusted[..(end < 0 ? untrusted.Length : end)];
            untrusted = untrusted[(end < 0 ? untrusted.Length : end + 1)..];
            var sentinel = part.Span.LastIndexOf(Sentinel);
            if (sentinel >= 0)
            {
                (_isKept, _length) = (true, 0);
                part = part[(sentinel + 1)..];
            }

            Keep(part.Span);
            if (end >= 0)
            {
                if (_isKept)
                {
                    line = TakeLine();
                    return true;
                }

                (_isKept, _length) = (!_isDelimited, 0);
            }
        }

        return false;
    }

    /// <summary>Reads a reply: what the command returned.</summary>
    /// <param name="untrusted">One line, which the result goes on to use.</param>
    /// <param name="command">The command that it is for, for errors.</param>
    /// <exception cref="ChannelException">The guest's own error, or <see cref="ChannelError.InvalidArgument"/> for what is no reply.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> untrusted, string command)
    {
        JsonElement reply;
        try
        {
            reply = UntrustedJson.Parse(untrusted, MaxTokens);
        }
        catch (JsonException)
        {
            throw Wrong($"the guest's reply to {command} is no JSON, or has too many values or levels");
        }

        if (UntrustedJson.Member(reply, "error") is { } error)
        {
            throw QgaErrors.Of(error, command);
        }

        return UntrustedJson.Member(reply, "return") ?? throw Wrong($"the guest's reply to {command} has neither a result nor an error");
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (!_isKept)
        {
            return;
        }

        if (part.Length > _limit - _length)
        {
            _isKept = !_isDelimited ? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.MayHaveRun,
                $"the guest's reply is longer than {_limit} bytes; ask for less at a time") : false;
            return;
        }

        if (_length + part.Length > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Min(_limit, Math.Max(Start, Math.Max(_buffer.Length * 2, _length + part.Length))));
        }

        part.CopyTo(_buffer.AsSpan(_length));
        _length += part.Length;
    }

    // A long one is handed over with its buffer instead of copied.
    private ReadOnlyMemory<byte> TakeLine()
    {
        ReadOnlyMemory<byte> line = _length <= Start ? _buffer.AsSpan(0, _length).ToArray() : _buffer.AsMemory(0, _length);
        if (_length > Start)
        {
            _buffer = [];
        }

        _length = 0;
        return line;
    }

    private static ChannelException Wrong(string text) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, text);
}
