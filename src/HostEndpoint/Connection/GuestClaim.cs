using System.Collections.ObjectModel;
using System.Runtime.CompilerServices;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Connection;

/// <summary>What a guest claims, as values that a host can use: escaped once, here, and within the range of their types.</summary>
internal static class GuestClaim
{
    /// <summary>Characters of the longest text that is kept: every path, and the output of a hook.</summary>
    private const int MostText = 32 << 10;

    /// <summary>A text that is safe to print.</summary>
    public static string Text(string? untrusted) => SafeText.Escape(untrusted, MostText);

    /// <summary>Texts that are safe to print.</summary>
    public static IReadOnlyList<string> Texts(IEnumerable<string> untrusted) => List(untrusted, Text);

    /// <summary>An immutable list.</summary>
    public static IReadOnlyList<TResult> List<TItem, TResult>(IEnumerable<TItem> untrusted, Func<TItem, TResult> convert) =>
        untrusted.TryGetNonEnumeratedCount(out var count) && count == 0 ? ReadOnlyCollection<TResult>.Empty : Array.AsReadOnly([.. untrusted.Select(convert)]);

    /// <summary>A number, cut to the largest.</summary>
    public static long Number(ulong untrusted) => (long)Math.Min(untrusted, long.MaxValue);

    /// <summary>A span of milliseconds, cut to the longest.</summary>
    public static TimeSpan Milliseconds(ulong untrusted) =>
        untrusted < (ulong)TimeSpan.MaxValue.TotalMilliseconds ? TimeSpan.FromTicks((long)untrusted * TimeSpan.TicksPerMillisecond) : TimeSpan.MaxValue;

    /// <summary>A time in milliseconds since 1970; null if it is 0 or no time.</summary>
    public static DateTimeOffset? Instant(long untrustedUnixMs) =>
        untrustedUnixMs > 0 && untrustedUnixMs <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds() ? DateTimeOffset.FromUnixTimeMilliseconds(untrustedUnixMs) : null;

    /// <summary>A value of an enum whose names and numbers are the contract's; its first value for unknown numbers.</summary>
    public static T Value<T>(int untrusted)
        where T : struct, Enum => Unsafe.BitCast<int, T>(untrusted) is var value && Enum.IsDefined(value) ? value : default;
}
