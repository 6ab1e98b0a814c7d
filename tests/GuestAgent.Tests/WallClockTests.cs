using ChannelSdk.GuestAgent.Time;

namespace ChannelSdk.GuestAgent.Tests;

public class WallClockTests
{
    // tm_sec, tm_min, tm_hour, tm_mday, tm_mon from 0, tm_year from 1900 (rtc(4)), as gmtime(3) has them.
    [Theory]
    [InlineData(0, 0, 0, 0, 1, 0, 70)]
    [InlineData(951782399, 59, 59, 23, 28, 1, 100)]
    [InlineData(951782400, 0, 0, 0, 29, 1, 100)]
    [InlineData(1609459199, 59, 59, 23, 31, 11, 120)]
    [InlineData(1798761600, 0, 0, 0, 1, 0, 127)]
    [InlineData(2147483648, 8, 14, 3, 19, 0, 138)]
    [InlineData(7258118399, 59, 59, 23, 31, 11, 299)]
    public void The_hardware_clock_gets_the_fields_of_its_zone(long seconds, int second, int minute, int hour, int day, int month, int year) =>
        Assert.Equal([second, minute, hour, day, month, year, 0, 0, 0], WallClock.HardwareTime(seconds));
}
