using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ChannelSdk.Metadata.Http;

/// <summary>The TCP socket below a request: what its guest has acknowledged, and how far its packets go.</summary>
internal static class GuestSocket
{
    // IPPROTO_TCP, TCP_INFO and the places of tcpi_state, tcpi_unacked and tcpi_bytes_acked (linux/tcp.h).
    private const int Tcp = 6;
    private const int TcpInfo = 11;
    private const int UnackedOffset = 24;
    private const int AckedOffset = 120;
    private static readonly TimeSpan s_step = TimeSpan.FromMilliseconds(5);

    /// <summary>Bytes that the guest has acknowledged; null: the socket is closed.</summary>
    public static ulong? Acknowledged(Socket socket) => Read(socket, out var acknowledged, out _) ? acknowledged : null;

    /// <summary>Waits until the guest has acknowledged so many bytes and all that is under way; false if it does not.</summary>
    public static async Task<bool> IsAcknowledgedAsync(Socket socket, ulong bytes, TimeSpan patience, CancellationToken ended)
    {
        for (var started = Stopwatch.GetTimestamp(); Read(socket, out var acknowledged, out var unacknowledged);)
        {
            if (acknowledged >= bytes && unacknowledged == 0)
            {
                return true;
            }

            if (ended.IsCancellationRequested || Stopwatch.GetElapsedTime(started) > patience)
            {
                return false;
            }

            await Task.Delay(s_step, CancellationToken.None).ConfigureAwait(false);
        }

        return false;
    }

    /// <summary>Sets how many hops the packets of a connection may make from now on; 0: as the system has it.</summary>
    public static void SetHops(Socket socket, int hops)
    {
        try
        {
            // An IPv6 socket may carry an IPv4 connection.
            var isV4 = socket.AddressFamily == AddressFamily.InterNetwork || (socket.RemoteEndPoint as IPEndPoint)?.Address.IsIPv4MappedToIPv6 == true;
            socket.SetSocketOption(isV4 ? SocketOptionLevel.IP : SocketOptionLevel.IPv6, isV4 ? SocketOptionName.IpTimeToLive : SocketOptionName.HopLimit, hops == 0 ? -1 : hops);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The connection has ended; nothing goes anywhere.
        }
    }

    private static bool Read(Socket socket, out ulong acknowledged, out uint unacknowledged)
    {
        (acknowledged, unacknowledged) = (0, 0);
        Span<byte> info = stackalloc byte[256];
        try
        {
            if (socket.GetRawSocketOption(Tcp, TcpInfo, info) < AckedOffset + sizeof(ulong))
            {
                return false;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }

        unacknowledged = MemoryMarshal.Read<uint>(info[UnackedOffset..]);
        acknowledged = MemoryMarshal.Read<ulong>(info[AckedOffset..]);
        return true;
    }
}
