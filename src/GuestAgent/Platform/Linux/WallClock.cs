using System.Runtime.InteropServices;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>The system's wall clock.</summary>
internal static class WallClock
{
    private const int Realtime = 0;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>The zone of this guest's local time: its abbreviation, and seconds east of UTC.</summary>
    public static unsafe (string Name, long Offset) Zone()
    {
        // struct tm: nine numbers of 32 bits, then the offset and a pointer to the name.
        const int size = 56;
        const int offsetAt = 40;
        const int nameAt = 48;
        byte* parts = stackalloc byte[size];
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Libc.ReadTimeZone();
        return Libc.LocalTime(&now, parts) == null ? ("UTC", 0)
            : (Marshal.PtrToStringUTF8(*(nint*)(parts + nameAt)) ?? "UTC", *(long*)(parts + offsetAt));
    }

    /// <summary>Sets it to nanoseconds since 1970-01-01 UTC, which are not negative; an errno number, 0 for success.</summary>
    public static unsafe int Set(long unixNanoseconds)
    {
        long* time = stackalloc long[2] { unixNanoseconds / NanosecondsPerSecond, unixNanoseconds % NanosecondsPerSecond };
        return Libc.SetClock(Realtime, time) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }
}
