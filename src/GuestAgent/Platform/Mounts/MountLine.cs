using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Files;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

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

    /// <summary>Parses a line without its end; null if it is no mount line.</summary>
    public MountEntry? Parse(ReadOnlySpan<byte> line)
    {
        // ID parent major:minor root path options [fields] - type source super-options
        var rest = line;
        var isWhole = TryReadField(ref rest, out var id) & TryReadField(ref rest, out _) & TryReadField(ref rest, out var device)
            & TryReadField(ref rest, out var root) & TryReadField(ref rest, out var path) & TryReadField(ref rest, out _);
        ReadOnlySpan<byte> word = default;
        while (isWhole && !word.SequenceEqual("-"u8))
        {
            isWhole = TryReadField(ref rest, out word);
        }

        if (!isWhole || !int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || !TryReadField(ref rest, out var type) || !TryReadField(ref rest, out var source))
        {
            return null;
        }

        if (rest.IndexOf((byte)' ') is >= 0 and int end)
        {
            rest = rest[..end];
        }

        var place = Unescape(path);
        var isText = System.Text.Unicode.Utf8.IsValid(place);
        return new MountEntry(number, Shared(device), Shared(Unescape(root)), Encoding.UTF8.GetString(place), Shared(type), Shared(Unescape(source)), HasOption(rest, "ro"u8))
        {
            RawPath = isText ? null : place,
        };
    }

    private static bool TryReadField(scoped ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> word)
    {
        var end = rest.IndexOf((byte)' ');
        word = end < 0 ? default : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return end >= 0;
    }

    private static bool HasOption(ReadOnlySpan<byte> options, ReadOnlySpan<byte> wanted)
    {
        foreach (var range in options.Split((byte)','))
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
        var lookup = _shared.GetAlternateLookup<ReadOnlySpan<char>>();
        if (lookup.TryGetValue(text, out var known))
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
        var bytes = word.ToArray();
        var count = 0;
        for (var i = 0; i < word.Length; i++)
        {
            var escaped = word[i] == '\\' && i + 3 < word.Length && IsOctal(word[i + 1]) && IsOctal(word[i + 2]) && IsOctal(word[i + 3]);
            bytes[count++] = escaped ? (byte)((word[i + 1] - '0') << 6 | (word[i + 2] - '0') << 3 | (word[i + 3] - '0')) : word[i];
            i += escaped ? 3 : 0;
        }

        return count == bytes.Length ? bytes : bytes[..count];
    }

    private static bool IsOctal(byte b) => b is >= (byte)'0' and <= (byte)'7';
}
