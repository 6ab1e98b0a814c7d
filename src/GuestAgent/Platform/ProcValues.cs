using System.Globalization;

namespace ChannelSdk.GuestAgent.Platform;

/// <summary>Parsers for the few /proc files that the agent reads. What cannot be understood is 0.</summary>
internal static class ProcValues
{
    /// <summary>A field of /proc/meminfo in bytes; the file has it in kB, which are 1024 bytes (proc(5)).</summary>
    public static ulong MemInfoBytes(string text, string field)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(field, StringComparison.Ordinal) && line.Length > field.Length && line[field.Length] == ':')
            {
                var value = FirstField(line[(field.Length + 1)..]);
                return ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes)
                    && kilobytes <= ulong.MaxValue / 1024 ? kilobytes * 1024 : 0;
            }
        }

        return 0;
    }

    /// <summary>The three averages of /proc/loadavg.</summary>
    public static (double One, double Five, double Fifteen) LoadAverage(string text)
    {
        var words = text.Split(' ', 4, StringSplitOptions.RemoveEmptyEntries);
        return words.Length >= 3 ? (Number(words[0]), Number(words[1]), Number(words[2])) : default;
    }

    /// <summary>Milliseconds since the kernel started, from /proc/uptime.</summary>
    public static ulong UptimeMilliseconds(string text) => (ulong)(Number(FirstField(text)) * 1000);

    /// <summary>Resident bytes from /proc/self/statm, whose second word counts pages.</summary>
    public static ulong ResidentBytes(string text, int pageSize)
    {
        var words = text.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
        return words.Length >= 2 && uint.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var pages)
            ? (ulong)pages * (uint)pageSize : 0;
    }

    /// <summary>Base name of the first argument in /proc/1/cmdline: what the first process was started as.</summary>
    public static string ProgramName(string commandLine)
    {
        var first = commandLine.AsSpan();
        var end = first.IndexOf('\0');
        first = (end < 0 ? first : first[..end]).Trim();
        // A login shell has a dash before its name.
        return first[(first.LastIndexOf('/') + 1)..].TrimStart('-').ToString();
    }

    /// <summary>Whether the effective set in /proc/PID/status (line CapEff, hexadecimal) has a capability.</summary>
    public static bool HasCapability(string text, int capability)
    {
        const string field = "CapEff:";
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(field, StringComparison.Ordinal))
            {
                return ulong.TryParse(FirstField(line[field.Length..]), NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture, out var set) && (set >> capability & 1) != 0;
            }
        }

        return false;
    }

    /// <summary>A whole number, as counters are.</summary>
    public static ulong Count(string word) => ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;

    private static ReadOnlySpan<char> FirstField(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        var end = text.IndexOfAny(' ', '\t');
        return end < 0 ? text : text[..end];
    }

    private static double Number(ReadOnlySpan<char> word) =>
        double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            && value is >= 0 and < 1e15 ? value : 0;
}
