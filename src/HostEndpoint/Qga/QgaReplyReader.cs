using System.Text.Json;
using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Qga;

/// <summary>
/// Cuts what a guest sends into replies: a line each. The guest may send anything; no more than one line is kept, and of
/// bounded length.
/// </summary>
/// <param name="maxReply">Bytes of the longest line.</param>
internal sealed class QgaReplyReader(int maxReply)
{
    private const int Start = 4096;
    private const byte Sentinel = 0xFF;
    private byte[] _buffer = new byte[Start];
    private int _length;
    private int _searched;

    /// <summary>Takes bytes.</summary>
    /// <exception cref="ChannelException">ResourceExhausted: a line is too long.</exception>
    public void Feed(ReadOnlySpan<byte> untrusted)
    {
        if (_length + untrusted.Length > maxReply)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.MayHaveRun,
                $"the guest's reply is longer than {maxReply} bytes; ask for less at a time");
        }

        if (_length + untrusted.Length > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Min(maxReply, Math.Max(_buffer.Length * 2, _length + untrusted.Length)));
        }

        untrusted.CopyTo(_buffer.AsSpan(_length));
        _length += untrusted.Length;
    }

    /// <summary>The next whole line without its end, or null. What a 0xFF comes after is dropped; the 0xFF itself is told.</summary>
    /// <param name="isDelimited">Whether a 0xFF came before the line.</param>
    public byte[]? Next(out bool isDelimited)
    {
        isDelimited = false;
        var end = _buffer.AsSpan(_searched, _length - _searched).IndexOf((byte)'\n');
        if (end < 0)
        {
            DropBeforeSentinel();
            _searched = _length;
            return null;
        }

        end += _searched;
        var line = _buffer.AsSpan(0, end);
        var sentinel = line.LastIndexOf(Sentinel);
        isDelimited = sentinel >= 0;
        var result = line[(sentinel + 1)..].ToArray();
        Remove(end + 1);
        return result;
    }

    /// <summary>Forgets what is there.</summary>
    public void Clear() => Remove(_length);

    /// <summary>Reads a reply: what the command returned.</summary>
    /// <param name="untrusted">One line.</param>
    /// <param name="command">The command that it is for, for errors.</param>
    /// <exception cref="ChannelException">The guest's own error, or InvalidArgument for what is no reply.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> untrusted, string command)
    {
        JsonElement reply;
        try
        {
            using var document = JsonDocument.Parse(untrusted);
            reply = document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw Wrong($"the guest's reply to {command} is no JSON");
        }

        if (reply.ValueKind == JsonValueKind.Object && reply.TryGetProperty("error", out var error))
        {
            throw QgaErrors.Of(error, command);
        }

        return reply.ValueKind == JsonValueKind.Object && reply.TryGetProperty("return", out var value)
            ? value : throw Wrong($"the guest's reply to {command} has neither a result nor an error");
    }

    private void DropBeforeSentinel()
    {
        // A flood before the sentinel is not kept. Behind it nothing can be dropped yet.
        var sentinel = _buffer.AsSpan(0, _length).LastIndexOf(Sentinel);
        if (sentinel > 0)
        {
            Remove(sentinel);
        }
    }

    private void Remove(int count)
    {
        _buffer.AsSpan(count, _length - count).CopyTo(_buffer);
        (_length, _searched) = (_length - count, 0);
        if (_length == 0 && _buffer.Length > Start)
        {
            _buffer = new byte[Start];
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, text);
}
