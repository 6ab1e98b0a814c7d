using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Measure;

namespace ChannelSdk.Guest.Tests;

/// <summary>Checked transfers over a channel, whose link may be cut on the way.</summary>
internal static class Transfers
{
    private static CancellationToken Soon => SavedGuest.Soon;

    internal static async Task SendAsync(Channel channel, long bytes, long cutEvery)
    {
        await using var stream = await channel.OpenStreamAsync(MeasureMethods.Sink, new SinkRequest(), cancellationToken: Soon);
        var chunk = new byte[65536];
        var sum = MeasureChecksum.Start;
        var cutAt = cutEvery;
        for (long sent = 0; sent < bytes; sent += chunk.Length)
        {
            MeasurePattern.Fill(chunk, (ulong)sent);
            sum = MeasureChecksum.Append(sum, chunk);
            await stream.WriteAsync(chunk, Soon);
            if (sent >= cutAt)
            {
                cutAt += cutEvery;
                channel.DropLink("test");
            }
        }

        await stream.CompleteAsync(Soon);
        using var message = await stream.ReadAsync(Soon);
        var report = SinkReport.Parser.ParseFrom(message.Span);
        Assert.Equal((ulong)bytes, report.Bytes);
        Assert.Equal(MeasureChecksum.Finish(sum), report.Crc32C);
    }

    internal static async Task ReceiveAsync(Channel channel, long bytes, long cutEvery)
    {
        await using var stream = await channel.OpenStreamAsync(MeasureMethods.Source, new SourceRequest { Bytes = (ulong)bytes }, cancellationToken: Soon);
        long received = 0;
        var cutAt = cutEvery;
        while (true)
        {
            using var message = await stream.ReadAsync(Soon);
            if (message.IsEnd)
            {
                break;
            }

            Assert.True(MeasurePattern.Matches(message.Span, (ulong)received), $"the bytes from {received} on differ");
            received += message.Memory.Length;
            if (received >= cutAt)
            {
                cutAt += cutEvery;
                channel.DropLink("test");
            }
        }

        Assert.Equal(bytes, received);
    }
}
