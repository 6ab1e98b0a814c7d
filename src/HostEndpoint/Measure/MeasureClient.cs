using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Measure;

namespace ChannelSdk.Host.Measure;

/// <summary>Bulk transfers that measure the channel and prove that nothing was lost, repeated or changed.</summary>
public sealed class MeasureClient
{
    private const int Chunk = 64 << 10;
    private readonly AgentConnection _connection;

    internal MeasureClient(AgentConnection connection) => _connection = connection;

    /// <summary>Sends bytes to the guest, which counts and sums them.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="progress">Told the bytes sent so far.</param>
    /// <param name="cancellationToken">Ends the transfer.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.CorruptFrame"/> if the guest's count or checksum differs; or the stream failed.</exception>
    public async Task SendAsync(long bytes, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        // The sink answers only at the end, so the answer cannot have a time limit.
        await _connection.ReachAsync(MeasureMethods.Sink, cancellationToken).ConfigureAwait(false);
        var stream = await _connection.Channel.OpenStreamAsync(MeasureMethods.Sink, new SinkRequest(), default, cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        var chunk = new byte[Chunk];
        var sum = MeasureChecksum.Start;
        for (long sent = 0; sent < bytes;)
        {
            var part = chunk.AsMemory(0, (int)Math.Min(Chunk, bytes - sent));
            MeasurePattern.Fill(part.Span, (ulong)sent);
            sum = MeasureChecksum.Append(sum, part.Span);
            await stream.WriteAsync(part, cancellationToken).ConfigureAwait(false);
            sent += part.Length;
            progress?.Report(sent);
        }

        await stream.CompleteAsync(cancellationToken).ConfigureAwait(false);
        using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        var report = GuestReply.Parse(SinkReport.Parser, message, "the transfer");
        if (report.Bytes != (ulong)bytes || report.Crc32C != MeasureChecksum.Finish(sum))
        {
            throw new ChannelException(ChannelError.CorruptFrame, ErrorClass.Fatal,
                $"the guest counted {report.Bytes} bytes with checksum {report.Crc32C:x8}; sent were {bytes} with {MeasureChecksum.Finish(sum):x8}");
        }
    }

    /// <summary>Receives bytes of the known pattern from the guest and compares each.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="progress">Told the bytes received so far.</param>
    /// <param name="cancellationToken">Ends the transfer.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.CorruptFrame"/> if a byte differs or the count does; or the stream failed.</exception>
    public async Task ReceiveAsync(long bytes, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var stream = await _connection.Channel.OpenStreamAsync(MeasureMethods.Source, new SourceRequest { Bytes = (ulong)bytes }, new CallOptions(AnswerWithin: _connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        long received = 0;
        while (true)
        {
            using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                break;
            }

            if (!MeasurePattern.Matches(message.Span, (ulong)received))
            {
                throw new ChannelException(ChannelError.CorruptFrame, ErrorClass.Fatal, $"the bytes from offset {received} on are not what the guest was asked for");
            }

            received += message.Memory.Length;
            if (message.Span.IsEmpty || received > bytes)
            {
                throw new ChannelException(ChannelError.CorruptFrame, ErrorClass.Fatal, $"the guest sent {(received > bytes ? $"more than the {bytes} bytes that it was asked for" : "an empty part")}");
            }

            progress?.Report(received);
        }

        if (received != bytes)
        {
            throw new ChannelException(ChannelError.CorruptFrame, ErrorClass.Fatal, $"{received} bytes came, {bytes} were asked for");
        }
    }
}
