using System.Text;
using ChannelSdk.Services.Measure;

namespace ChannelSdk.GuestAgent.Tests;

public class MeasureHelpersTests
{
    [Fact]
    public void The_checksum_is_crc32c_however_the_bytes_are_cut()
    {
        // The check value of CRC-32C.
        var bytes = Encoding.ASCII.GetBytes("123456789");
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            var sum = MeasureChecksum.Append(MeasureChecksum.Start, bytes.AsSpan(0, cut));
            Assert.Equal(0xE3069283, MeasureChecksum.Finish(MeasureChecksum.Append(sum, bytes.AsSpan(cut))));
        }
    }

    [Fact]
    public void The_pattern_is_the_same_however_it_is_cut()
    {
        var whole = new byte[64];
        MeasurePattern.Fill(whole, 0);
        Assert.Equal(new byte[8], whole[..8]);
        Assert.Equal(0x9E3779B97F4A7C15, BitConverter.ToUInt64(whole, 8));
        for (var offset = 0; offset < whole.Length; offset++)
        {
            for (var end = offset; end <= whole.Length; end++)
            {
                var part = new byte[end - offset];
                MeasurePattern.Fill(part, (ulong)offset);
                Assert.Equal(whole[offset..end], part);
            }
        }
    }

    [Fact]
    public void Lost_repeated_and_changed_bytes_do_not_match()
    {
        var bytes = new byte[3000];
        MeasurePattern.Fill(bytes, 12345);

        Assert.True(MeasurePattern.Matches(bytes, 12345));
        Assert.False(MeasurePattern.Matches(bytes, 12346));
        Assert.False(MeasurePattern.Matches(bytes.AsSpan(1), 12345));
        bytes[^1] ^= 1;
        Assert.False(MeasurePattern.Matches(bytes, 12345));
    }
}
