using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Guest.Tests;

/// <summary>A web server on this machine's loopback address whose files do not come to their end.</summary>
internal sealed class EndlessServer : IDisposable
{
    /// <summary>A file that nothing is said of.</summary>
    public const string Silent = "silent.tgz";

    /// <summary>A file that is there, and of which nothing comes.</summary>
    public const string Stuck = "stuck.tgz";

    /// <summary>A file that goes on and on.</summary>
    public const string Endless = "endless.img";

    /// <summary>The network that it is in.</summary>
    public const string Network = "127.0.0.0/8";

    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(50);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();

    public EndlessServer()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Url(string name) => $"http://{_listener.LocalEndpoint}/{name}";

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            for (var end = _end.Token; ;)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(end), end);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static async Task ServeAsync(TcpClient client, CancellationToken end)
    {
        try
        {
            using (client)
            {
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                var request = await reader.ReadLineAsync(end) ?? "";
                if (!request.Contains(Silent, StringComparison.Ordinal))
                {
                    while (await reader.ReadLineAsync(end) is { Length: > 0 })
                    {
                        // The rest of the request does not matter.
                    }

                    await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {1L << 30}\r\nConnection: close\r\n\r\n"), end);
                    if (request.StartsWith("HEAD", StringComparison.Ordinal))
                    {
                        return;
                    }
                }

                var content = Enumerable.Repeat((byte)1, 256 << 10).ToArray();
                while (request.Contains(Endless, StringComparison.Ordinal))
                {
                    await stream.WriteAsync(content, end);
                    await Task.Delay(s_pace, end);
                }

                await Task.Delay(Timeout.Infinite, end);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client has gone, or the test is over.
        }
    }
}
