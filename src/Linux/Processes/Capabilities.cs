using System.Globalization;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.Linux.Processes;

/// <summary>What this process may do beyond its files (capabilities(7)), and which users there are for it.</summary>
public static class Capabilities
{
    public const int Chown = 0;
    public const int SetGid = 6;
    public const int SetUid = 7;
    public const int SetPCap = 8;
    public const int SysAdmin = 21;

    /// <summary>Whether this process has a capability.</summary>
    public static bool Has(int capability)
    {
        const string name = "CapEff:";
        var line = SmallFile.Read("/proc/self/status").Split('\n').FirstOrDefault(static line => line.StartsWith(name, StringComparison.Ordinal));
        return line is not null && ulong.TryParse(line.AsSpan(name.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var set) && (set >> capability & 1) != 0;
    }

    /// <summary>Whether all users of a range are there in this process's user namespace, and all groups of these numbers (user_namespaces(7)).</summary>
    public static bool IsMapped(uint first, uint last) => IsMapped("/proc/self/uid_map", first, last) && IsMapped("/proc/self/gid_map", first, last);

    private static bool IsMapped(string map, uint first, uint last) => SmallFile.Read(map).Split('\n')
        .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Any(fields => fields.Length == 3
            && ulong.TryParse(fields[0], CultureInfo.InvariantCulture, out var begin) && ulong.TryParse(fields[2], CultureInfo.InvariantCulture, out var count)
            && first >= begin && last < begin + count);
}
