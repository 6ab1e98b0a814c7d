using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Tests;

public sealed class SmallFileTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(9000)]
    [InlineData(20_000)]
    public void A_file_is_read_whole_up_to_the_bound(int length)
    {
        using var file = new TemporaryFile(new string('x', length));

        Assert.Equal(0, SmallFile.TryRead(file.Path, 9000, out var bytes));
        Assert.Equal(Math.Min(length, 9000), bytes.Length);
        Assert.Equal(-1, bytes.IndexOfAnyExcept((byte)'x'));
    }

    [Fact]
    public void A_file_whose_size_the_kernel_does_not_tell_is_read_whole() =>
        Assert.EndsWith("\n", SmallFile.Read("/proc/self/status"), StringComparison.Ordinal);

    [Theory]
    [InlineData("/nonexistent/file", 2)]
    [InlineData("/proc/self/status/file", 20)]
    [InlineData("/proc", 21)]
    public void What_cannot_be_read_is_an_empty_text_and_says_why(string path, int errno)
    {
        Assert.Equal(errno, SmallFile.TryRead(path, 100, out var bytes));
        Assert.True(bytes.IsEmpty);
        Assert.Equal("", SmallFile.Read(path));
    }
}
