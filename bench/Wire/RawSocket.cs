using System.Diagnostics;
using System.Net.Sockets;

namespace ChannelSdk.Bench.Wire;

/// <summary>The measure of everything else: .NET's async sockets, 64 B there and back, 64 KiB writes one way.</summary>
internal sealed class RawSocket() : Contender("raw .NET async socket")
{
    private Socket _socket = null!;

    public override async Task ServeAsync(string socket)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
        while (true)
        {
            using var peer = await listener.AcceptAsync();
            var buffer = new byte[65536];
            // The first byte says what is wanted: e(cho), s(ink).
            await peer.ReceiveAsync(buffer.AsMemory(0, 1));
            var echoes = buffer[0] == (byte)'e';
            long total = 0;
            while (await peer.ReceiveAsync(buffer) is > 0 and var count)
            {
                total += count;
                if (echoes)
                {
                    await peer.SendAsync(buffer.AsMemory(0, count));
                }
                else if (buffer[count - 1] == 1)
                {
                    await peer.SendAsync(buffer.AsMemory(0, 1));
                }
            }
        }
    }

    public override Task ConnectAsync(string socket)
    {
        Path = socket;
        return Task.CompletedTask;
    }

    private string Path { get; set; } = "";

    private async Task OpenAsync(char mode)
    {
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await _socket.ConnectAsync(new UnixDomainSocketEndPoint(Path));
        await _socket.SendAsync(new[] { (byte)mode });
    }

    public override async Task<double[]> CallsAsync(int count)
    {
        await OpenAsync('e');
        var buffer = new byte[64];
        var times = await TimeAsync(count, async () =>
        {
            await _socket.SendAsync(buffer);
            for (var got = 0; got < 64;)
            {
                got += await _socket.ReceiveAsync(buffer.AsMemory(got));
            }
        });
        _socket.Dispose();
        return times;
    }

    public override async Task<double> StreamAsync(int messageSize, long bytes)
    {
        await OpenAsync('s');
        var message = new byte[messageSize];
        var start = Stopwatch.GetTimestamp();
        for (long sent = 0; sent < bytes; sent += messageSize)
        {
            if (sent + messageSize >= bytes)
            {
                message[^1] = 1;
            }

            for (var part = 0; part < messageSize;)
            {
                part += await _socket.SendAsync(message.AsMemory(part));
            }
        }

        await _socket.ReceiveAsync(message.AsMemory(0, 1));
        var rate = bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
        _socket.Dispose();
        return rate;
    }

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
