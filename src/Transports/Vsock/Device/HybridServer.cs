using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;
using ChannelSdk.Transports.Vsock.Hybrid;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// Makes the other ports of a device usable by programs that know hybrid sockets: they reach the guest with
/// <c>CONNECT port</c> on one Unix socket, and the guest reaches those that listen on <c>PATH_port</c>.
/// </summary>
/// <param name="device">The device.</param>
/// <param name="path">The socket.</param>
internal sealed class HybridServer(VsockDevice device, string path) : IVsockAcceptor, IAsyncDisposable
{
    /// <summary>Programs whose handshake is under way; more wait to be accepted.</summary>
    private const int MaxHandshakes = 64;

    private readonly UnixSocketAddress _place = new(HybridDialEndpoint.Scheme, path, "make the directory that the socket shall be in");
    private readonly SemaphoreSlim _handshakes = new(MaxHandshakes);
    private readonly CancellationTokenSource _stopping = new();
    private UnixListener? _listener;
    private Task _serving = Task.CompletedTask;

    /// <summary>Makes the socket and serves it.</summary>
    internal void Start()
    {
        _listener = UnixListener.Start(_place);
        _serving = ServeAsync(_listener);
    }

    /// <summary>The guest asks for a port that no endpoint has.</summary>
    public IVsockUser? Accept(VsockConnection connection)
    {
        SocketLink program;
        try
        {
            var place = new UnixSocketAddress(_place.Scheme, $"{path}_{connection.HostPort}", "");
            program = HybridDialEndpoint.Dial(place, new PeerIdentity(_place.Scheme, place.Path), _listener!.Closer);
        }
        catch (ChannelException)
        {
            // No program listens there: the guest is refused.
            return null;
        }

        var link = device.NewLink(connection, connection.HostPort);
        // Not under the core's lock.
        _ = Task.Run(() => LinkBridge.RunAsync(link, program));
        return link;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _serving.ConfigureAwait(false);
        _listener?.Dispose();
        _stopping.Dispose();
        _handshakes.Dispose();
    }

    private async Task ServeAsync(UnixListener listener)
    {
        var running = new HashSet<Task>();
        try
        {
            while (true)
            {
                await _handshakes.WaitAsync(_stopping.Token).ConfigureAwait(false);
                SafeFd fd = await listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                running.RemoveWhere(static task => task.IsCompleted);
                running.Add(HandshakeAsync(fd));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ChannelException)
        {
            // Disposed of, or no more descriptors; the device itself goes on.
        }

        await Task.WhenAll(running).ConfigureAwait(false);
    }

    private async Task HandshakeAsync(SafeFd fd)
    {
        SocketLink? program = null;
        ITransportLink? guest = null;
        try
        {
            program = SocketLink.Attach(fd, new PeerIdentity(_place.Scheme, path));
            var port = await HybridHandshake.LimitAsync(
                program, HybridHandshake.ReadAsync(program, "CONNECT").AsTask(), _stopping.Token).ConfigureAwait(false);
            if (port is not { } wanted)
            {
                program.Abort();
                return;
            }

            guest = await device.Dial(wanted).OpenAsync(_stopping.Token).ConfigureAwait(false);
            await HybridHandshake.LimitAsync(
                program, AnswerAsync(program, ((VsockDeviceLink)guest).HostPort), _stopping.Token).ConfigureAwait(false);
            _ = LinkBridge.RunAsync(guest, program);
        }
        catch (Exception error) when (error is ChannelException or FormatException or TimeoutException or OperationCanceledException)
        {
            // Closed without an answer, as the others do. A program that went meanwhile leaves no connection in the guest.
            program?.Abort();
            guest?.Abort();
        }
        finally
        {
            _handshakes.Release();
        }
    }

    private static async Task<bool> AnswerAsync(SocketLink program, uint hostPort)
    {
        await HybridHandshake.WriteAsync(program, "OK", hostPort).ConfigureAwait(false);
        return true;
    }
}
