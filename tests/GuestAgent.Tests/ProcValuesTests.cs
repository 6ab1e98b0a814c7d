using ChannelSdk.GuestAgent.Platform;

namespace ChannelSdk.GuestAgent.Tests;

public class ProcValuesTests
{
    [Theory]
    [InlineData("MemTotal:       8131564 kB\nMemFree: 1 kB\n", 8131564UL * 1024)]
    [InlineData("MemTotalX: 5 kB\nMemTotal: 7 kB", 7UL * 1024)]
    [InlineData("MemTotal:\t9\tkB", 9UL * 1024)]
    [InlineData("MemTotal: 10", 10UL * 1024)]
    [InlineData("MemTotal: -5 kB", 0UL)]
    [InlineData("MemTotal: many kB", 0UL)]
    [InlineData("MemTotal:", 0UL)]
    [InlineData("MemTotal", 0UL)]
    [InlineData("MemTotal: 18446744073709551615 kB", 0UL)]
    [InlineData("MemTotal: 99999999999999999999999 kB", 0UL)]
    [InlineData("", 0UL)]
    public void Meminfo_is_read_and_impossible_values_are_zero(string text, ulong expected)
    {
        Assert.Equal(expected, ProcValues.MemInfoBytes(text, "MemTotal"));
    }

    [Theory]
    [InlineData("0.25 1.50 12.00 2/345 6789\n", 0.25, 1.5, 12)]
    [InlineData("0.25 1.50", 0, 0, 0)]
    [InlineData("x y z", 0, 0, 0)]
    [InlineData("NaN Infinity 1e5 1/1 1", 0, 0, 0)]
    [InlineData("", 0, 0, 0)]
    public void Load_averages_are_read(string text, double one, double five, double fifteen)
    {
        Assert.Equal((one, five, fifteen), ProcValues.LoadAverage(text));
    }

    [Theory]
    [InlineData("12.34 56.78\n", 12340UL)]
    [InlineData("-1 0", 0UL)]
    [InlineData("99999999999999999999 1", 0UL)]
    [InlineData("", 0UL)]
    public void Uptime_is_read(string text, ulong milliseconds)
    {
        Assert.Equal(milliseconds, ProcValues.UptimeMilliseconds(text));
    }

    [Theory]
    [InlineData("1000 250 100 1 0 200 0\n", 250UL * 4096)]
    [InlineData("1000", 0UL)]
    [InlineData("1000 x", 0UL)]
    public void Resident_pages_become_bytes(string text, ulong bytes)
    {
        Assert.Equal(bytes, ProcValues.ResidentBytes(text, 4096));
    }

    [Theory]
    [InlineData("/sbin/init\0splash\0", "init")]
    [InlineData("/bin/sh\0/init\0", "sh")]
    [InlineData("-sh\0", "sh")]
    [InlineData("init", "init")]
    [InlineData("", "")]
    public void A_command_line_gives_the_name_of_its_program(string text, string name)
    {
        Assert.Equal(name, ProcValues.ProgramName(text));
    }

    [Theory]
    [InlineData("Name:\tx\nCapEff:\t0000000000400000\n", true)]
    [InlineData("CapEff:\t000001ffffffffff", true)]
    [InlineData("CapEff:\t000001ffffbfffff", false)]
    [InlineData("CapPrm:\t000001ffffffffff", false)]
    [InlineData("CapEff:\tgarbage", false)]
    [InlineData("", false)]
    public void Effective_capabilities_are_read(string text, bool hasSysBoot)
    {
        Assert.Equal(hasSysBoot, ProcValues.HasCapability(text, 22));
    }

    [Fact]
    public void The_kernel_here_answers()
    {
        var kernel = UnameInfo.Load();

        Assert.Equal("Linux", kernel.SystemName);
        Assert.NotEmpty(kernel.Release);
        Assert.Equal("x86_64", kernel.Machine);
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/hostname").Trim(), kernel.HostName);
    }
}
