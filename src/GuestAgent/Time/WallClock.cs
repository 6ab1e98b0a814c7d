using System.Runtime.InteropServices;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Time;

/// <summary>The system's wall clock.</summary>
internal static class WallClock
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>The zone of this guest's local time: its abbreviation, and seconds east of UTC.</summary>
    public static unsafe (string Name, long Offset) Zone()
    {
        // struct tm: nine numbers of 32 bits, then the offset and a pointer to the name.
        const int size = 56;
        const int offsetAt = 40;
        const int nameAt = 48;
        var parts = stackalloc byte[size];
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        SystemCalls.TzSet();
        return SystemCalls.LocalTime(&now, parts) == null ? ("UTC", 0)
            : (Marshal.PtrToStringUTF8(*(nint*)(parts + nameAt)) ?? "UTC", *(long*)(parts + offsetAt));
    }

    /// <summary>Sets it, and the hardware clock with it, to nanoseconds since 1970-01-01 UTC, which are not negative.</summary>
    /// <returns>An errno number, 0 for success. That there is no hardware clock, or that it cannot be set, is no failure.</returns>
    public static unsafe int Set(long unixNanoseconds)
    {
        var time = new TimeSpec { Seconds = unixNanoseconds / NanosecondsPerSecond, Nanoseconds = unixNanoseconds % NanosecondsPerSecond };
        if (SystemCalls.ClockSetTime(Abi.CLOCK_REALTIME, &time) != 0)
        {
            return Errno.Last;
        }

        SetHardware(time.Seconds + HardwareOffset);
        return 0;
    }

    /// <summary>How many seconds the hardware clock is before UTC (hwclock(8): the third line of adjtime says what time it has).</summary>
    internal static long HardwareOffset => SmallFile.Read("/etc/adjtime").Split('\n') is [_, _, "LOCAL", ..] ? Zone().Offset : 0;

    /// <summary>Fields of struct rtc_time (rtc(4)): second, minute, hour, day, month from 0, year from 1900.</summary>
    /// <param name="seconds">Since 1970 in the clock's own zone.</param>
    internal static int[] HardwareTime(long seconds)
    {
        var at = DateTime.UnixEpoch.AddSeconds(seconds);
        return [at.Second, at.Minute, at.Hour, at.Day, at.Month - 1, at.Year - 1900, 0, 0, 0];
    }

    private static unsafe void SetHardware(long seconds)
    {
        // _IOW('p', 0x0a, struct rtc_time)
        const nuint setTime = 0x4024700A;
        var clock = FileCalls.Open("/dev/rtc0", Abi.O_CLOEXEC);
        if (clock >= 0)
        {
            fixed (int* fields = HardwareTime(seconds))
            {
                _ = DescriptorCalls.Ioctl(clock, setTime, fields);
            }

            _ = DescriptorCalls.Close(clock);
        }
    }
}
