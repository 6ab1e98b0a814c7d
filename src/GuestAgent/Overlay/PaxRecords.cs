using System.Globalization;
using System.Text;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>What headers of the pax format and GNU's long names say of the entry that follows them.</summary>
internal sealed class PaxRecords
{
    private const int NanosecondDigits = 9;

    public byte[]? Name { get; set; }

    public byte[]? LinkTarget { get; set; }

    public long? Size { get; private set; }

    public long? Uid { get; private set; }

    public long? Gid { get; private set; }

    public (long Seconds, uint Nanoseconds)? Modified { get; private set; }

    /// <summary>Takes the records of a header: "LENGTH KEY=VALUE\n", the length that of the whole record.</summary>
    /// <param name="untrusted">All of them.</param>
    /// <param name="isGlobal">Whether they are said of the whole archive: then none may change what an entry is.</param>
    public void Add(ReadOnlySpan<byte> untrusted, bool isGlobal)
    {
        while (!untrusted.IsEmpty)
        {
            var blank = untrusted.IndexOf((byte)' ');
            if (blank is <= 0 or > 7 || !int.TryParse(untrusted[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                || length > untrusted.Length || length < blank + 3 || untrusted[length - 1] != '\n')
            {
                throw ArchiveFailure.Broken("a pax header in it is damaged");
            }

            var record = untrusted[(blank + 1)..(length - 1)];
            var equals = record.IndexOf((byte)'=');
            if (equals <= 0)
            {
                throw ArchiveFailure.Broken("a pax header in it is damaged");
            }

            Set(Encoding.UTF8.GetString(record[..equals]), record[(equals + 1)..], isGlobal);
            untrusted = untrusted[length..];
        }
    }

    private void Set(string key, ReadOnlySpan<byte> value, bool isGlobal)
    {
        var isKnown = true;
        switch (key)
        {
            case "path":
                Name = value.ToArray();
                break;
            case "linkpath":
                LinkTarget = value.ToArray();
                break;
            case "size":
                Size = Number(value, key);
                break;
            case "uid":
                Uid = Number(value, key);
                break;
            case "gid":
                Gid = Number(value, key);
                break;
            case "mtime":
                Modified = Time(value);
                break;
            default:
                // A sparse file's content is a map and pieces. Other keys (names of owners, access times, extended
                // attributes, comments) are not laid down.
                isKnown = key.StartsWith("GNU.sparse.", StringComparison.Ordinal);
                if (isKnown)
                {
                    throw ArchiveFailure.Entry(Name ?? [], "it is a sparse file; pack it without --sparse");
                }

                break;
        }

        if (isGlobal && isKnown)
        {
            throw ArchiveFailure.Broken($"a global pax header in it sets {key} for all entries");
        }
    }

    private static long Number(ReadOnlySpan<byte> text, string key) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value : throw ArchiveFailure.Broken($"a pax header in it has a wrong {key}");

    private static (long Seconds, uint Nanoseconds) Time(ReadOnlySpan<byte> text)
    {
        var point = text.IndexOf((byte)'.');
        var fraction = point < 0 ? default : text[(point + 1)..];
        uint nanoseconds = 0;
        for (var i = 0; i < NanosecondDigits; i++)
        {
            var digit = i < fraction.Length ? fraction[i] : (byte)'0';
            nanoseconds = digit is >= (byte)'0' and <= (byte)'9' ? nanoseconds * 10 + digit - '0' : throw ArchiveFailure.Broken("a pax header in it has a wrong mtime");
        }

        if (!long.TryParse(point < 0 ? text : text[..point], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds))
        {
            throw ArchiveFailure.Broken("a pax header in it has a wrong mtime");
        }
        // Before 1970 the fraction counts backwards, and the kernel's forwards.
        var isBackwards = text[0] == '-' && nanoseconds > 0;
        return isBackwards ? (seconds - 1, 1_000_000_000 - nanoseconds) : (seconds, nanoseconds);
    }
}
