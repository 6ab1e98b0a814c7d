using System.Globalization;
using System.Text;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// Reads lines of mountinfo, one at a time. Thousands of mounts have the same few types, devices and sources: those texts are kept
/// once.
/// </summary>
internal sealed class MountLine
{
    // More different ones than this are kept as they come.
    private const int MaxShared = 1024;
    private const int MaxSharedLength = 64;
    private readonly HashSet<string> _shared = new(StringComparer.Ordinal);

    /// <summary>A line without its end; null if it is none.</summary>
    public MountEntry? Parse(ReadOnlySpan<byte> line)
    {
        // ID parent major:minor root path options [fields] - type source super-options
        ReadOnlySpan<byte> rest = line;
        bool isWhole = TakeWord(ref rest, out ReadOnlySpan<byte> id) & TakeWord(ref rest, out _) & TakeWord(ref rest, out ReadOnlySpan<byte> device)
            & TakeWord(ref rest, out ReadOnlySpan<byte> root) & TakeWord(ref rest, out ReadOnlySpan<byte> path) & TakeWord(ref rest, out _);
        ReadOnlySpan<byte> word = default;
        while (isWhole && !word.SequenceEqual("-"u8))
        {
            isWhole = TakeWord(ref rest, out word);
        }
        if (!isWhole || !int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || !TakeWord(ref rest, out ReadOnlySpan<byte> type) || !TakeWord(ref rest, out ReadOnlySpan<byte> source))
        {
            return null;
        }
        if (rest.IndexOf((byte)' ') is >= 0 and int end)
        {
            rest = rest[..end];
        }
        byte[] place = Unescape(path);
        bool isText = System.Text.Unicode.Utf8.IsValid(place);
        return new MountEntry(number, Shared(device), Shared(Unescape(root)), Encoding.UTF8.GetString(place), Shared(type), Shared(Unescape(source)), HasOption(rest, "ro"u8))
        {
            RawPath = isText ? null : place,
        };
    }

    private static bool TakeWord(scoped ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> word)
    {
        int end = rest.IndexOf((byte)' ');
        word = end < 0 ? default : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return end >= 0;
    }

    private static bool HasOption(ReadOnlySpan<byte> options, ReadOnlySpan<byte> wanted)
    {
        foreach (Range range in options.Split((byte)','))
        {
            if (options[range].SequenceEqual(wanted))
            {
                return true;
            }
        }
        return false;
    }

    private string Shared(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxSharedLength)
        {
            return Encoding.UTF8.GetString(bytes);
        }
        Span<char> text = stackalloc char[MaxSharedLength];
        text = text[..Encoding.UTF8.GetChars(bytes, text)];
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> lookup = _shared.GetAlternateLookup<ReadOnlySpan<char>>();
        if (lookup.TryGetValue(text, out string? known))
        {
            return known;
        }
        string made = new(text);
        if (_shared.Count < MaxShared)
        {
            _shared.Add(made);
        }
        return made;
    }

    // Blank, tab, line end and backslash stand as \ and three octal digits, as bytes.
    private static byte[] Unescape(ReadOnlySpan<byte> word)
    {
        byte[] bytes = word.ToArray();
        int count = 0;
        for (int i = 0; i < word.Length; i++)
        {
            bool escaped = word[i] == '\\' && i + 3 < word.Length && IsOctal(word[i + 1]) && IsOctal(word[i + 2]) && IsOctal(word[i + 3]);
            bytes[count++] = escaped ? (byte)((word[i + 1] - '0') << 6 | (word[i + 2] - '0') << 3 | (word[i + 3] - '0')) : word[i];
            i += escaped ? 3 : 0;
        }
        return count == bytes.Length ? bytes : bytes[..count];
    }

    private static bool IsOctal(byte b) => b is >= (byte)'0' and <= (byte)'7';
}
