using System.Text;

namespace ChannelSdk.Install.Operations;

/// <summary>
/// Finds on an appliance's console what a Linux kernel says of its end. The appliance may have written it itself: it is a
/// claim, to be escaped.
/// </summary>
internal static class ApplianceConsole
{
    private const int MaxLine = 300;

    /// <summary>The line about a panic; empty if there is none.</summary>
    public static string Panic(ReadOnlySpan<byte> untrusted) => Line(untrusted, untrusted.IndexOf("Kernel panic - not syncing"u8));

    /// <summary>The last line about a process that was killed as there was no memory left; empty if there is none.</summary>
    public static string OutOfMemory(ReadOnlySpan<byte> untrusted)
    {
        // "Out of memory: Killed process 7 (tar) total-vm:...", "Memory cgroup out of memory: Killed process 7 (tar) ..."
        var line = Line(untrusted, untrusted.LastIndexOf("ut of memory: Killed process "u8) - 1);
        var numbers = line.IndexOf(" total-vm:", StringComparison.Ordinal);
        return numbers < 0 ? line : line[..numbers].TrimEnd(',');
    }

    private static string Line(ReadOnlySpan<byte> untrusted, int at)
    {
        if (at < 0)
        {
            return "";
        }

        var rest = untrusted[at..];
        var end = rest.IndexOfAny((byte)'\r', (byte)'\n');
        return Encoding.UTF8.GetString(rest[..Math.Min(end < 0 ? rest.Length : end, MaxLine)]);
    }
}
