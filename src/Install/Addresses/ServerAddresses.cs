using System.Net;
using System.Net.Sockets;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Addresses;

/// <summary>
/// Which addresses this host connects to for others. A URL, a redirect or a name that leads to an inner address would let its author
/// use services of the host and its network from the host's position.
/// </summary>
/// <param name="allowed">Inner networks that the administrator allows nevertheless.</param>
/// <param name="purpose">What the servers are of, for errors.</param>
/// <param name="option">How the administrator allows an inner network, for errors.</param>
internal sealed class ServerAddresses(IReadOnlyList<IPNetwork> allowed, string purpose, string option)
{
    // Special-purpose addresses (RFC 6890 and its registries): this host, private, shared, link-local with the metadata services
    // of clouds, documentation, benchmarks, multicast, reserved.
    private static readonly IPNetwork[] s_innerV4 =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        }.Select(IPNetwork.Parse),
    ];

    // All that is routed is in the first; the others are parts of it that lead elsewhere, or into an IPv4 address.
    private static readonly IPNetwork s_globalV6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork[] s_innerV6 = [.. new[] { "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20" }.Select(IPNetwork.Parse)];
    private static readonly IPNetwork s_translated = IPNetwork.Parse("64:ff9b::/96");

    /// <summary>Finds the addresses of a name.</summary>
    public Func<string, CancellationToken, Task<IPAddress[]>> LookUp { get; init; } = Dns.GetHostAddressesAsync;

    /// <summary>Connects to a server, to an address that is allowed and that is looked up only here.</summary>
    /// <param name="server">Its name and port.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: it has only addresses that are not.</exception>
    /// <exception cref="SocketException">It has no address, or cannot be reached.</exception>
    public async ValueTask<NetworkStream> ConnectAsync(DnsEndPoint server, CancellationToken cancellationToken)
    {
        var all = await LookUp(server.Host, cancellationToken).ConfigureAwait(false);
        var open = all.Where(IsAllowed).ToArray();
        if (all.Length == 0)
        {
            throw new SocketException((int)SocketError.HostNotFound);
        }

        if (open.Length == 0)
        {
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused,
                $"the server {SafeText.Escape(server.Host, 256)} of {purpose} is at {all[0]}, an inner address; the administrator of this host can allow its network ({option})");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(open, server.Port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Whether an address is public or allowed.</summary>
    public bool IsAllowed(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
            : address.AddressFamily == AddressFamily.InterNetworkV6 && s_translated.Contains(address) ? new IPAddress(address.GetAddressBytes().AsSpan(12))
            : address;
        return allowed.Any(network => network.Contains(plain)) || (plain.AddressFamily switch
        {
            AddressFamily.InterNetwork => !s_innerV4.Any(network => network.Contains(plain)),
            AddressFamily.InterNetworkV6 => s_globalV6.Contains(plain) && !s_innerV6.Any(network => network.Contains(plain)),
            _ => false,
        });
    }
}
