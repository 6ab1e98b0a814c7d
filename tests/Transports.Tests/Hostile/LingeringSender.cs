using ChannelSdk.Transports.Tests.Vsock;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>What is at the other end of a Unix socket and sends open files, whose close(2) waits, with the bytes of a link.</summary>
internal sealed class LingeringSender(string socketPath) : IHostilePeer
{
    private readonly List<LingeringSocket> _sockets = [];
    private readonly List<FrontEndDouble> _connections = [];

    public void Attack()
    {
        var connection = new FrontEndDouble(socketPath);
        _connections.Add(connection);
        for (var i = 0; i < 2; i++)
        {
            // The second one stays in the socket, as the link ends by the first; where that is so already, the close would be this process's own.
            var socket = new LingeringSocket();
            _sockets.Add(socket);
            if (connection.SendRaw("x"u8, socket.File))
            {
                socket.LetGo();
            }
        }
    }

    public void Dispose()
    {
        _connections.ForEach(static connection => connection.Dispose());
        _sockets.ForEach(static socket => socket.Dispose());
    }
}
