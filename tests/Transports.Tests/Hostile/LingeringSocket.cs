using System.Net;
using System.Net.Sockets;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Native;
using Xunit;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A socket whose last close(2) waits for a minute: it lingers, and its other end never reads what was sent.</summary>
internal sealed unsafe class LingeringSocket : IDisposable
{
    private const int SO_LINGER = 13;
    private const int Seconds = 60;

    private readonly Socket _peer;

    internal LingeringSocket()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = new TcpAddress(IPAddress.Loopback, ((IPEndPoint)listener.LocalEndpoint).Port);
        File = address.NewSocket("test");
        _ = address.Connect(File);
        _peer = listener.AcceptSocket();
        long linger = 1 | (long)Seconds << 32;
        Assert.Equal(0, Libc.SetSockOpt(File, Linux.SOL_SOCKET, SO_LINGER, &linger, sizeof(long)));
        byte* bytes = stackalloc byte[4096];
        while (Libc.Send(File, bytes, 4096, Linux.MSG_DONTWAIT | Linux.MSG_NOSIGNAL) > 0)
        {
        }
    }

    /// <summary>The socket, to be sent to somebody.</summary>
    internal SafeFd File { get; }

    /// <summary>Leaves the socket to whom it was sent. No close here, as it was not the last one.</summary>
    internal void LetGo() => File.Dispose();

    /// <summary>Ends it: the waiting close returns.</summary>
    public void Dispose()
    {
        _peer.LingerState = new LingerOption(true, 0);
        _peer.Dispose();
        File.Dispose();
    }
}
