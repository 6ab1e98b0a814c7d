using ChannelSdk.Channels;
using ChannelSdk.Install.Data;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Operations;

/// <summary>Moves the data of the disks between the half in the appliance and their places: install.Data, for one disk after the other.</summary>
internal sealed class ApplianceData(string operation, Channel channel, UntrustedScript half, OperationData data)
{
    private const int PieceBytes = 128 << 10;
    // From the end of a disk's stream to the end of its half, which tells why.
    private static readonly TimeSpan s_endWait = TimeSpan.FromSeconds(5);
    private bool _isGuestLost;

    /// <summary>Moves all of it.</summary>
    /// <returns>How the half ended.</returns>
    /// <exception cref="ChannelException">What has failed.</exception>
    public async Task<ScriptEnded> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var moving = MoveAsync(stop.Token);
        await Task.WhenAny(moving, half.End).ConfigureAwait(false);
        if (!moving.IsCompleted && HasEndedBadly)
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await moving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return await half.End.ConfigureAwait(false);
        }

        try
        {
            await moving.ConfigureAwait(false);
        }
        catch (ChannelException) when (_isGuestLost)
        {
            await Task.WhenAny(half.End, Task.Delay(s_endWait, cancellationToken)).ConfigureAwait(false);
            if (!HasEndedBadly)
            {
                throw;
            }
        }

        return await half.End.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private bool HasEndedBadly => half.End.IsCompleted && !(half.End.IsCompletedSuccessfully && half.End.Result is { Code: 0, Signal: 0, Reason: "" });

    private async Task MoveAsync(CancellationToken cancellationToken)
    {
        await half.Data!.Ready.WaitAsync(cancellationToken).ConfigureAwait(false);
        for (var disk = 0; disk < data.Count; disk++)
        {
            var flow = await data.OpenAsync(disk, cancellationToken).ConfigureAwait(false);
            var told = half.Data.Begin(disk, bytes => flow.Meter.Expect(bytes));
            var request = new DataRequest { Operation = ByteString.CopyFrom(Convert.FromHexString(operation)), Index = (uint)disk };
            var stream = await OfGuest(channel.OpenStreamAsync(InstallMethods.Data, request, cancellationToken: cancellationToken)).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                var digest = new DataDigest();
                await (data.IsExport ? TakeAsync(stream, flow, digest, cancellationToken) : GiveAsync(stream, flow, digest, cancellationToken)).ConfigureAwait(false);
                var end = await told.WaitAsync(cancellationToken).ConfigureAwait(false);
                if ((end.Bytes, end.Hash) != (digest.Bytes, digest.Hash))
                {
                    throw new ChannelException(ChannelError.TransportFailed, ErrorClass.MayHaveRun,
                        $"the data of disk {disk} is another at its two ends: {digest.Bytes} bytes with the XXH3 {digest.Hash:x16} on this host, {end.Bytes} with {end.Hash:x16} in the appliance");
                }

                await data.FinishAsync(flow, flow.Meter.Finish(), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task TakeAsync(ChannelStream stream, DataFlow flow, DataDigest digest, CancellationToken cancellationToken)
    {
        // The host has nothing to send.
        await OfGuest(stream.CompleteAsync(cancellationToken)).ConfigureAwait(false);
        while (true)
        {
            var message = await OfGuest(stream.ReadAsync(cancellationToken)).ConfigureAwait(false);
            if (message.IsEnd)
            {
                message.Dispose();
                return;
            }

            digest.Append(message.Span);
            await flow.WriteAsync(message.Memory, cancellationToken).ConfigureAwait(false);
            // Not after a cancel: a write that hangs may use it still.
            message.Dispose();
        }
    }

    private async Task GiveAsync(ChannelStream stream, DataFlow flow, DataDigest digest, CancellationToken cancellationToken)
    {
        var (piece, next) = (new byte[PieceBytes], new byte[PieceBytes]);
        var count = await flow.ReadAsync(piece, cancellationToken).ConfigureAwait(false);
        while (count > 0)
        {
            // The place and the appliance work at the same time.
            var reading = flow.ReadAsync(next, cancellationToken).AsTask();
            try
            {
                digest.Append(piece.AsSpan(0, count));
                await OfGuest(stream.WriteAsync(piece.AsMemory(0, count), cancellationToken)).ConfigureAwait(false);
            }
            catch
            {
                _ = reading.ContinueWith(static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                throw;
            }

            count = await reading.ConfigureAwait(false);
            (piece, next) = (next, piece);
        }

        await OfGuest(stream.CompleteAsync(cancellationToken)).ConfigureAwait(false);
        using var last = await OfGuest(stream.ReadAsync(cancellationToken)).ConfigureAwait(false);
        if (!last.IsEnd)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the appliance sent a message on the stream of an import's data, where none belongs");
        }
    }

    private async ValueTask<T> OfGuest<T>(ValueTask<T> call)
    {
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            _isGuestLost = true;
            throw;
        }
    }

    private async ValueTask OfGuest(ValueTask call)
    {
        try
        {
            await call.ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            _isGuestLost = true;
            throw;
        }
    }
}
