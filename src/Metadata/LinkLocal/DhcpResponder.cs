using System.Net;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Metadata.LinkLocal;

/// <summary>Gives the guest of a link-local network its one address by DHCP, for images that ask for one.</summary>
public sealed class DhcpResponder : IAsyncDisposable
{
    /// <summary>A guest that asks without end gets its answers at this pace.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    // SOL_SOCKET and SO_BINDTODEVICE of socket(7).
    private const int SocketLevel = 1;
    private const int BindToDevice = 25;

    private readonly CancellationTokenSource _stopping = new();
    private readonly Socket _socket;
    private readonly Task _serving;

    /// <summary>Serves until it is disposed of.</summary>
    /// <param name="network">A network that is set up.</param>
    /// <exception cref="SocketException">Another DHCP server is in the namespace.</exception>
    public DhcpResponder(LinkLocalNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        _socket = network.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { EnableBroadcast = true };
            // Without a route to everywhere a broadcast goes nowhere unless its device is given.
            socket.SetRawSocketOption(SocketLevel, BindToDevice, Encoding.ASCII.GetBytes(LinkLocalNetwork.TapName));
            socket.Bind(new IPEndPoint(IPAddress.Any, DhcpReply.ServerPort));
            return socket;
        });
        _serving = ServeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        _socket.Dispose();
        await _serving.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task ServeAsync()
    {
        var request = new byte[DhcpReply.MaxRequest];
        var reply = new byte[DhcpReply.Size];
        // The guest has no address yet; a broadcast reaches only the guest.
        var broadcast = new IPEndPoint(IPAddress.Broadcast, DhcpReply.ClientPort);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var length = await _socket.ReceiveAsync(request, _stopping.Token).ConfigureAwait(false);
                if (DhcpReply.TryWrite(request.AsSpan(0, length), reply))
                {
                    await _socket.SendToAsync(reply, broadcast, _stopping.Token).ConfigureAwait(false);
                }

                await Task.Delay(s_pause, _stopping.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // A tap without a guest: the answer went nowhere.
                await Task.Delay(s_pause).ConfigureAwait(false);
            }
        }
    }
}
