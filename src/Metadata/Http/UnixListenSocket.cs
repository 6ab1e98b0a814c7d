using System.Net.Sockets;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Metadata.Http;

/// <summary>Makes listening Unix sockets for Kestrel's kind of accepting. The file has mode 0600, and goes with the socket.</summary>
internal static class UnixListenSocket
{
    private const int Backlog = 128;

    /// <exception cref="ChannelException">EndpointBusy, EndpointDenied, TransportFailed: it cannot listen there.</exception>
    public static Socket Open(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            RemoveStale(path);
            // Before bind, so that the file has this mode from its first moment.
            if (NativeMode.FChmod(socket.SafeHandle, NativeMode.OwnerOnly) != 0)
            {
                throw Errno.ToException(Errno.Last, "set the mode of", path);
            }

            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or ArgumentException
                ? new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"Cannot listen on {path}: {FileFault.Describe(e)}. Check that the directory is there and that the path has at most 107 bytes.", e)
                : e;
        }
    }

    private static void RemoveStale(string path)
    {
        if (FileIdentity.Of(path) is not { } found)
        {
            return;
        }

        if (!found.IsSocket)
        {
            throw new ChannelException(ChannelError.EndpointDenied, ErrorClass.Refused, $"Cannot listen on {path}: there is a file that is no socket. Remove it, or use another path.");
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused, $"Cannot listen on {path}: another program listens there. Stop it, or use another path.");
    }
}
