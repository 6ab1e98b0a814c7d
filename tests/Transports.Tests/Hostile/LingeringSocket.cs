using System.Net;
using System.Net.Sockets;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.LinkLocal;
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
        var linger = 1 | (long)Seconds << 32;
        Assert.Equal(0, SocketCalls.SetSockOpt(File, Abi.SOL_SOCKET, SO_LINGER, &linger, sizeof(long)));
        var bytes = stackalloc byte[4096];
        while (SocketCalls.Send(File, bytes, 4096, Abi.MSG_DONTWAIT | Abi.MSG_NOSIGNAL) > 0)
        {
        }
    }

    /// <summary>The socket, to be sent to another process.</summary>
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
