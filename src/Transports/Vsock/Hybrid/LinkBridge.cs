using System.Buffers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Vsock.Hybrid;

/// <summary>Joins two links: what one receives the other sends, each direction to its own end.</summary>
internal static class LinkBridge
{
    private const int BufferSize = 64 * 1024;

    /// <summary>Runs until both directions have ended or one failed; then both links are ended. Never throws.</summary>
    internal static async Task RunAsync(ITransportLink first, ITransportLink second)
    {
        await Task.WhenAll(PumpAsync(first, second), PumpAsync(second, first)).ConfigureAwait(false);
        await first.DisposeAsync().ConfigureAwait(false);
        await second.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task PumpAsync(ITransportLink from, ITransportLink to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (int count; (count = await from.ReceiveAsync(buffer).ConfigureAwait(false)) > 0;)
            {
                for (var sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent)).ConfigureAwait(false);
                }
            }

            if (((IHalfClose)from).IsGone)
            {
                to.Abort();
            }
            else
            {
                ((IHalfClose)to).CompleteSend();
            }
        }
        catch (ChannelException)
        {
            // What one side lost, the other cannot make up for.
            from.Abort();
            to.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
