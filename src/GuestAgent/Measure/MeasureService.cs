using System.Buffers;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Measure;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Measure;

/// <summary>measure.Echo, measure.Sink and measure.Source.</summary>
/// <param name="time">The clock of the sink's report.</param>
internal sealed class MeasureService(TimeProvider time) : IAgentService
{
    private const int MaxChunk = 65536;
    private const ulong MaxBytes = 1UL << 40;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(MeasureMethods.Echo, (request, _) => ValueTask.FromResult(Echo(request)));
        gate.Stream(MeasureMethods.Sink, (_, stream, context) => SinkAsync(stream, context.CancellationToken));
        gate.Stream(MeasureMethods.Source, (request, stream, context) => SourceAsync(request, stream, context.CancellationToken));
    }

    /// <summary>The payload as it came.</summary>
    public static EchoReply Echo(EchoRequest request) => new() { Payload = request.Payload };

    /// <summary>Counts what comes and reports it.</summary>
    public async ValueTask SinkAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        var report = await CountAsync(stream, cancellationToken).ConfigureAwait(false);
        await stream.WriteAsync(report.ToByteArray(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends as much of the pattern as was asked for.</summary>
    public static async ValueTask SourceAsync(SourceRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        if (request.Bytes > MaxBytes)
        {
            throw Invalid($"bytes is {request.Bytes}; at most {MaxBytes} are allowed");
        }

        if (request.ChunkBytes > MaxChunk)
        {
            throw Invalid($"chunk_bytes is {request.ChunkBytes}; allowed are 0 to {MaxChunk}");
        }

        var chunk = request.ChunkBytes == 0 ? MaxChunk : (int)request.ChunkBytes;
        var buffer = ArrayPool<byte>.Shared.Rent(chunk);
        try
        {
            for (ulong sent = 0; sent < request.Bytes;)
            {
                var length = (int)Math.Min((ulong)chunk, request.Bytes - sent);
                MeasurePattern.Fill(buffer.AsSpan(0, length), sent);
                await stream.WriteAsync(buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                sent += (ulong)length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<SinkReport> CountAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        var report = new SinkReport();
        var sum = MeasureChecksum.Start;
        long first = 0;
        while (true)
        {
            using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                break;
            }

            if (report.Messages++ == 0)
            {
                first = time.GetTimestamp();
            }

            report.Bytes += (ulong)message.Span.Length;
            sum = MeasureChecksum.Append(sum, message.Span);
        }

        report.Crc32C = MeasureChecksum.Finish(sum);
        report.ElapsedNs = report.Messages == 0 ? 0 : (ulong)(time.GetElapsedTime(first).Ticks * TimeSpan.NanosecondsPerTick);
        return report;
    }

    private static ChannelException Invalid(string message) => new(ChannelError.InvalidArgument, ErrorClass.Refused, message);
}
