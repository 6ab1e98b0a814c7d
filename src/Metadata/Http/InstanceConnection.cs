using System.Net.Sockets;

namespace ChannelSdk.Metadata.Http;

/// <summary>What is known of a connection while its requests are answered one after the other.</summary>
/// <param name="instance">Whose it is.</param>
/// <param name="socket">Its socket, if it came by TCP.</param>
internal sealed class InstanceConnection(MetadataInstance instance, Socket? socket)
{
    private int _hops;

    public MetadataInstance Instance { get; } = instance;

    public Socket? Socket { get; } = socket is { AddressFamily: AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 } ? socket : null;

    /// <summary>Sets how many hops the packets may make from now on; 0: as the system has it.</summary>
    public void SetHops(int hops)
    {
        if (hops != _hops && Socket is not null)
        {
            GuestSocket.SetHops(Socket, hops);
        }

        _hops = hops;
    }
}
