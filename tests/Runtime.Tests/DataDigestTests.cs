using System.IO.Hashing;
using System.Text;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What both sides know of the data of disks.</summary>
public class DataDigestTests
{
    [Fact]
    public void The_digest_is_the_XXH3_of_all_pieces_whatever_their_lengths()
    {
        var data = new byte[3000];
        new Random(3).NextBytes(data);
        foreach (var length in Enumerable.Range(0, 520).Append(data.Length))
        {
            foreach (var piece in (int[])[1, 7, 255, 256, 257, 3000])
            {
                var digest = new DataDigest();
                for (var at = 0; at < length; at += piece)
                {
                    digest.Append(data.AsSpan(at, Math.Min(piece, length - at)));
                }

                Assert.Equal((ulong)length, digest.Bytes);
                Assert.Equal(XxHash3.HashToUInt64(data.AsSpan(0, length)), digest.Hash);
            }
        }
    }

    [Theory]
    [InlineData("12\n", 12ul)]
    [InlineData(" 7 \r\nmore\n", 7ul)]
    [InlineData("18446744073709551615", 18446744073709551615ul)]
    [InlineData("18446744073709551616", null)]
    [InlineData("+5", null)]
    [InlineData("-5", null)]
    [InlineData("1 2", null)]
    [InlineData("", null)]
    [InlineData("\n5\n", null)]
    public void An_estimate_is_the_number_of_the_first_line_in_whatever_pieces_it_comes(string text, ulong? bytes)
    {
        foreach (var piece in (int[])[1, 3, 100])
        {
            var estimate = new SizeEstimate();
            var told = new List<ulong?>();
            foreach (var part in Encoding.ASCII.GetBytes(text).Chunk(piece))
            {
                told.Add(estimate.Add(part));
            }

            told.Add(estimate.Add([]));
            told.Add(estimate.Add([]));
            Assert.Equal(bytes is null ? [] : [bytes], told.OfType<ulong?>().Where(t => t is not null));
        }
    }

    [Fact]
    public void An_estimate_without_an_end_takes_no_memory()
    {
        var estimate = new SizeEstimate();
        for (var i = 0; i < 1000; i++)
        {
            Assert.Null(estimate.Add("11111111"u8));
        }

        Assert.Null(estimate.Add([]));
    }
}
