using System.Net.Sockets;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>
/// A second serial port, by which the host kills a guest's agent: the guest's kernel sends the signal itself (fcntl(2), F_SETSIG), so that it comes
/// at the moment that the host chooses, also while all programs of the guest stand still.
/// </summary>
internal sealed class KillLine : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>QEMU's arguments for it.</summary>
    public static string[] Arguments(string path) => ["-serial", $"unix:{path},server=on,wait=off"];

    public static async Task<KillLine> ConnectAsync(string path)
    {
        var line = new KillLine();
        await line._socket.ConnectAsync(new UnixDomainSocketEndPoint(path), SavedGuest.Soon);
        return line;
    }

    /// <summary>Kills the process that was named in the guest since the last time.</summary>
    public void Fire() => _socket.Send("\n"u8);

    public void Dispose() => _socket.Dispose();
}
