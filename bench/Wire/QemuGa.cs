using System.Diagnostics;
using System.Net.Sockets;

namespace ChannelSdk.Bench.Wire;

/// <summary>Debian's qemu-ga on a Unix socket: guest-ping, prepared text there, whole lines back.</summary>
internal sealed class QemuGa() : Contender("qemu-ga guest-ping")
{
    private Socket _socket = null!;

    public static string Program { get; } = Path.GetFullPath(".cache/qemu-ga/usr/sbin/qemu-ga");

    public static ProcessStartInfo Start(string socket) => new(Program,
        ["-m", "unix-listen", "-p", socket, "-t", Path.GetDirectoryName(socket)!, "-r", "--blacklist=guest-shutdown,guest-fsfreeze-freeze,guest-set-time,guest-suspend-disk,guest-suspend-ram"]);

    public override Task ServeAsync(string socket) => throw new NotSupportedException("qemu-ga is its own program");

    public override async Task ConnectAsync(string socket)
    {
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await _socket.ConnectAsync(new UnixDomainSocketEndPoint(socket));
    }

    public override Task<double[]> CallsAsync(int count)
    {
        var request = "{\"execute\":\"guest-ping\"}\n"u8.ToArray();
        var buffer = new byte[256];
        return TimeAsync(count, async () =>
        {
            await _socket.SendAsync(request);
            int got;
            do
            {
                got = await _socket.ReceiveAsync(buffer);
            }
            while (buffer[got - 1] != (byte)'\n');
        });
    }

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
