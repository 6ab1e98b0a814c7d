using System.Net.Sockets;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.LinkLocal;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Metadata.LinkLocal;

/// <summary>
/// The ways by which a guest with a link-local NIC reaches an instance's metadata on port 80. (A guest without one is served
/// through its channel: <see cref="MetadataRelay"/>.) The instance stays the caller's.
/// </summary>
/// <param name="instance">The instance at a metadata server.</param>
public sealed class MetadataListeners(MetadataInstance instance) : IAsyncDisposable
{
    private readonly MetadataInstance _instance = instance ?? throw new ArgumentNullException(nameof(instance));
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<IAsyncDisposable> _responders = [];
    private readonly List<Task> _forwards = [];

    /// <summary>Serves on the tap of a network that is set up, by IPv4 and, where the kernel has it, IPv6; gives the guest its address by DHCP.</summary>
    /// <exception cref="ChannelException">The network is not set up, or another server is in it.</exception>
    public void ServeTap(LinkLocalNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        _instance.AddListener(ToSocket(network.Listen(LinkLocalAddresses.Host, LinkLocalAddresses.HttpPort)));
        if (Socket.OSSupportsIPv6)
        {
            _instance.AddListener(ToSocket(network.Listen(LinkLocalAddresses.HostV6, LinkLocalAddresses.HttpPort)));
        }

        _responders.Add(new DhcpResponder(network));
    }

    /// <summary>Serves the connections that <c>channel-forward</c> hands over for a guest on QEMU's user network.</summary>
    /// <param name="socketPath">Absolute path of the Unix socket, which is made here.</param>
    /// <exception cref="ChannelException">The socket cannot be made.</exception>
    public void ServeForward(string socketPath)
    {
        ArgumentNullException.ThrowIfNull(socketPath);
        _forwards.Add(ForwardAsync(new ForwardListener(socketPath)));
    }

    /// <summary>Ends the listening; DHCP and forwards at once, the tap's sockets with the _instance.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_forwards).ConfigureAwait(false);
        foreach (var responder in _responders)
        {
            await responder.DisposeAsync().ConfigureAwait(false);
        }

        _stopping.Dispose();
    }

    private async Task ForwardAsync(ForwardListener listener)
    {
        using (listener)
        {
            try
            {
                while (true)
                {
                    _ = ServeAsync(new LinkStream(await listener.AcceptAsync(_stopping.Token).ConfigureAwait(false)));
                }
            }
            catch (OperationCanceledException)
            {
                // Disposed of.
            }
        }
    }

    private async Task ServeAsync(LinkStream connection)
    {
        try
        {
            await _instance.AcceptAsync(connection, _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Even if one connection failed, the next is served.
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static Socket ToSocket(SafeFileHandle handle)
    {
        var socket = new Socket(new SafeSocketHandle(handle.DangerousGetHandle(), ownsHandle: true));
        handle.SetHandleAsInvalid();
        return socket;
    }
}
