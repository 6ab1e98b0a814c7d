using System.Net.Sockets;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Http;

/// <summary>Makes listening Unix sockets for Kestrel's kind of accepting. The file has mode 0600, and goes with the socket.</summary>
internal static class UnixListenSocket
{
    private const int Backlog = 128;
    private const uint OwnerOnly = 0x180;

    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointBusy"/>, <see cref="ChannelError.EndpointDenied"/>, <see cref="ChannelError.TransportFailed"/>: it cannot listen there.</exception>
    public static Socket Open(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            RemoveStale(path);
            // Before bind, so that the file has this mode from its first moment.
            if (DescriptorCalls.FChMod(socket.SafeHandle, OwnerOnly) != 0)
            {
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"cannot set the mode of {path}: {Errno.Describe(Errno.Last)}");
            }

            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or ArgumentException
                ? new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"cannot listen on {path}: {FileFault.Describe(e)}; check that the directory is there and that the path has at most 107 bytes", e)
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
            throw new ChannelException(ChannelError.EndpointDenied, ErrorClass.Refused, $"cannot listen on {path}: there is a file that is no socket; remove it, or use another path");
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

        throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused, $"cannot listen on {path}: another program listens there; stop it, or use another path");
    }
}
