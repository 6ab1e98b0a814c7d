using System.Buffers;
using System.Net.Sockets;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Mirror;

/// <summary>Tunnels that a guest asks for, to talk to an https server itself: bytes both ways, each direction to its own end.</summary>
internal sealed class MirrorTunnel(MirrorTraffic traffic, ServerAddresses addresses, MirrorTimes times)
{
    private const int PieceBytes = 16 << 10;

    /// <summary>Reaches the server of a tunnel.</summary>
    /// <exception cref="ChannelException">It is refused, or cannot be reached.</exception>
    public async Task<(MirrorOrigin Origin, NetworkStream Server)> OpenAsync(string untrustedTarget, CancellationToken cancellationToken)
    {
        var target = MirrorTarget.OfTunnel(untrustedTarget)
            ?? throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"the target of a tunnel is no name and port: {untrustedTarget}");
        var origin = traffic.Enter(target, isTunnel: true);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(times.Connect);
        try
        {
            return (origin, await addresses.ConnectAsync(origin.EndPoint, patience.Token).ConfigureAwait(false));
        }
        catch (SocketException e)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the server {target.Host}:{target.Port} cannot be reached: {e.SocketErrorCode}", e);
        }
        catch (OperationCanceledException e)
        {
            throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"the server {target.Host}:{target.Port} was not reached in time, or the guest gave up", e);
        }
    }

    /// <summary>Tells the guest that the server is reached, and carries bytes until both have ended or nothing is said for too long.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: the operation has fetched all that it may.</exception>
    /// <exception cref="OperationCanceledException">The guest has gone, or both sides were silent for too long.</exception>
    /// <exception cref="IOException">One side has gone.</exception>
    public async Task RunAsync(MirrorOrigin origin, NetworkStream server, MirrorConnection guest, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(times.Idle);
        await guest.Output.WriteAsync("HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray(), patience.Token).ConfigureAwait(false);
        Task[] both = [ToServerAsync(origin, guest, server, patience), ToGuestAsync(origin, server, guest, patience)];
        await foreach (var direction in Task.WhenEach(both).ConfigureAwait(false))
        {
            if (!direction.IsCompletedSuccessfully)
            {
                // What one direction has lost, the other cannot make good.
                await patience.CancelAsync().ConfigureAwait(false);
                await Task.WhenAll(both).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await direction.ConfigureAwait(false);
            }
        }
    }

    private async Task ToServerAsync(MirrorOrigin origin, MirrorConnection guest, NetworkStream server, CancellationTokenSource patience)
    {
        while (true)
        {
            var result = await guest.Input.ReadAsync(patience.Token).ConfigureAwait(false);
            foreach (var piece in result.Buffer)
            {
                patience.CancelAfter(times.Idle);
                traffic.Charge(origin, piece.Length);
                await server.WriteAsync(piece, patience.Token).ConfigureAwait(false);
            }

            guest.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted || result.IsCanceled)
            {
                server.Socket.Shutdown(SocketShutdown.Send);
                return;
            }
        }
    }

    private async Task ToGuestAsync(MirrorOrigin origin, NetworkStream server, MirrorConnection guest, CancellationTokenSource patience)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (await server.ReadAsync(buffer, patience.Token).ConfigureAwait(false) is > 0 and var count)
            {
                patience.CancelAfter(times.Idle);
                traffic.Charge(origin, count);
                await guest.Output.WriteAsync(buffer.AsMemory(0, count), patience.Token).ConfigureAwait(false);
            }

            await guest.CompleteWritesAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
