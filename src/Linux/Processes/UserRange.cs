using System.Globalization;

namespace ChannelSdk.Linux.Processes;

/// <summary>Numbers of users, which are groups' numbers too, that belong to one kind of program alone: no account, container or service of the host has one.</summary>
/// <param name="First">The first, 1 or more.</param>
/// <param name="Last">The last, at most 4,294,967,293.</param>
public readonly record struct UserRange(uint First, uint Last)
{
    private const uint Most = uint.MaxValue - 2;

    /// <summary>Of appliances: 1,879,048,192 to 1,879,113,727, above what systemd gives to containers, and below 2^31.</summary>
    public static UserRange Appliances => new(0x7000_0000, 0x7000_FFFF);

    /// <summary>Of the workers of instances: 1,879,113,728 to 1,879,179,263, the next ones.</summary>
    public static UserRange Workers => new(0x7001_0000, 0x7001_FFFF);

    /// <summary>How many there are.</summary>
    public uint Count => Last - First + 1;

    /// <summary>Whether it is a range of users.</summary>
    public bool IsValid => First >= 1 && First <= Last && Last <= Most;

    /// <summary>Reads "FIRST-LAST".</summary>
    public static bool TryParse(string? text, out UserRange range)
    {
        var ends = (text ?? "").Split('-');
        range = default;
        if (ends.Length == 2 && uint.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first)
            && uint.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out var last))
        {
            range = new UserRange(first, last);
        }

        return range.IsValid;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");
}
