using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A monitor that sends descriptors whose close(2) waits, with requests that have none.</summary>
internal sealed class LingeringMonitor(string devicePath) : IHostilePeer
{
    private static readonly byte[] s_getFeatures = [(byte)VhostUserRequest.GetFeatures, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];

    private readonly List<LingeringSocket> _sockets = [];
    private FrontEndDouble _frontEnd = new(devicePath);

    public void Attack()
    {
        var socket = new LingeringSocket();
        _sockets.Add(socket);
        // The device has the descriptor with the first byte, and closes it with the last, when it has the only one.
        _frontEnd.SendRaw(s_getFeatures.AsSpan(0, 1), socket.File);
        socket.LetGo();
        _frontEnd.SendRaw(s_getFeatures.AsSpan(1));
    }

    /// <summary>Sends a message with descriptors that are of no harm.</summary>
    internal bool Send(params ReadOnlySpan<SafeFd> files) => _frontEnd.SendRaw(s_getFeatures, files);

    /// <summary>Waits until the device has ended this monitor's connection.</summary>
    internal void WaitClosed() => _frontEnd.WaitClosed();

    /// <summary>Goes and comes back, with a descriptor in its socket that the device has not received.</summary>
    internal void Reconnect()
    {
        var socket = new LingeringSocket();
        _sockets.Add(socket);
        // Behind what ends the device.
        _frontEnd.SendRaw([99, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        _frontEnd.SendRaw([0], socket.File);
        socket.LetGo();
        _frontEnd.Dispose();
        _frontEnd = new FrontEndDouble(devicePath);
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _sockets.ForEach(static socket => socket.Dispose());
    }
}
