namespace ChannelSdk.Host.Files;

/// <summary>Times as files.proto has them.</summary>
internal static class FileTimes
{
    /// <summary>The time of some nanoseconds since 1970, to 100 ns; every value of a long is a time that DateTime has.</summary>
    public static DateTime FromUnixNs(long nanoseconds) => DateTime.UnixEpoch.AddTicks(nanoseconds / TimeSpan.NanosecondsPerTick);

    /// <summary>Nanoseconds since 1970.</summary>
    public static long ToUnixNs(DateTime utc) => (utc - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
}
