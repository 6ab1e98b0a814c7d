using System.Runtime.InteropServices;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>The system's wall clock.</summary>
internal static class WallClock
{
    private const int Realtime = 0;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Sets it to nanoseconds since 1970-01-01 UTC, which are not negative; an errno number, 0 for success.</summary>
    public static unsafe int Set(long unixNanoseconds)
    {
        long* time = stackalloc long[2] { unixNanoseconds / NanosecondsPerSecond, unixNanoseconds % NanosecondsPerSecond };
        return Libc.SetClock(Realtime, time) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }
}
