using System.Net.Sockets;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A peer of a Unix socket that is no channel.</summary>
internal static class RawPeer
{
    /// <summary>Connects as soon as there is a listener: the socket's file is there a moment before.</summary>
    public static async Task<Socket> ConnectAsync(string path)
    {
        var soon = ChannelPair.Soon;
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), soon);
                return socket;
            }
            catch (SocketException) when (!soon.IsCancellationRequested)
            {
                socket.Dispose();
                await Task.Delay(1, soon);
            }
        }
    }
}
