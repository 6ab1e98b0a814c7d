using System.Runtime.InteropServices;
using ChannelSdk.Channels;
using ChannelSdk.Channels.Workers;

namespace ChannelSdk.Runtime.Tests;

public class SharedFiguresTests
{
    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(-1)]
    public void Any_number_that_a_worker_counts_can_be_told(long number)
    {
        var memory = new byte[SharedFigures.Bytes];
        MemoryMarshal.Cast<byte, long>(memory.AsSpan()).Fill(number);
        var facts = new SharedFigures(memory).Read(default);
        foreach (var told in (long[])[facts.BytesIn, facts.BytesOut, facts.ReceivePauses, facts.ReceivePausedUntil])
        {
            // A sum of two of them, and a time of so many microseconds.
            Assert.InRange(checked(told + told), 0, long.MaxValue);
            Assert.InRange(TimeSpan.FromMicroseconds(told), TimeSpan.Zero, TimeSpan.MaxValue);
        }
    }
}
