using System.Buffers.Text;

namespace ChannelSdk.Services.Install;

/// <summary>
/// How much an export's script says that it will write: the decimal number in the first line that it writes to $EXP_SIZE_FD, or in all
/// that it writes if it ends no line. Anything else is no estimate.
/// </summary>
public sealed class SizeEstimate
{
    // Of the largest number, with some spaces around.
    private const int MaxText = 64;
    private readonly byte[] _text = new byte[MaxText];
    private int _length;
    private bool _isOver;

    /// <summary>Takes what the script wrote next; nothing is its end.</summary>
    /// <param name="untrusted">Any number of bytes.</param>
    /// <returns>The estimate in bytes, once; null before it is whole, after it was told, and for a text that is no number.</returns>
    public ulong? Add(ReadOnlySpan<byte> untrusted)
    {
        if (_isOver)
        {
            return null;
        }

        var end = untrusted.IndexOf((byte)'\n');
        var part = end < 0 ? untrusted : untrusted[..end];
        _isOver = end >= 0 || untrusted.IsEmpty || _length + part.Length > MaxText;
        if (_length + part.Length > MaxText)
        {
            return null;
        }

        part.CopyTo(_text.AsSpan(_length));
        _length += part.Length;
        return _isOver ? Parse(_text.AsSpan(0, _length).Trim(" \t\r"u8)) : null;
    }

    private static ulong? Parse(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out ulong value, out var used) && used == text.Length && text[0] is >= (byte)'0' and <= (byte)'9' ? value : null;
}
