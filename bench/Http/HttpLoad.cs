using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Bench.Http;

/// <summary>A client that costs little: raw sockets, one request at a time on each, answers counted by their length.</summary>
internal static class HttpLoad
{
    /// <summary>Requests for so long. The answers' body must have the expected length.</summary>
    public static async Task<(double PerSecond, double[] Microseconds)> RunAsync(IPEndPoint server, string path, int connections, bool keepAlive, int bodyLength, TimeSpan time, bool anyStatus = false)
    {
        var request = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n{(keepAlive ? "" : "Connection: close\r\n")}\r\n");
        var start = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(() => LoopAsync(server, request, keepAlive, anyStatus ? -1 : bodyLength, start, time))));
        double[] times = [.. all.SelectMany(t => t)];
        return (times.Length / Stopwatch.GetElapsedTime(start).TotalSeconds, times);
    }

    private static async Task<List<double>> LoopAsync(IPEndPoint server, byte[] request, bool keepAlive, int bodyLength, long start, TimeSpan time)
    {
        var times = new List<double>(100_000);
        var buffer = new byte[16 * 1024];
        Socket? socket = null;
        do
        {
            var began = Stopwatch.GetTimestamp();
            if (socket is null)
            {
                socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(server);
            }

            await socket.SendAsync(request);
            await ReadAnswerAsync(socket, buffer, bodyLength);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            if (!keepAlive)
            {
                socket.Dispose();
                socket = null;
            }
        }
        while (Stopwatch.GetElapsedTime(start) < time);

        socket?.Dispose();
        return times;
    }

    private static async Task ReadAnswerAsync(Socket socket, byte[] buffer, int bodyLength)
    {
        var have = 0;
        while (true)
        {
            var got = await socket.ReceiveAsync(buffer.AsMemory(have));
            if (got == 0)
            {
                throw new InvalidOperationException($"the server closed in an answer: {Encoding.ASCII.GetString(buffer, 0, have)}");
            }

            have += got;
            if (bodyLength < 0)
            {
                // A flood does not look at what it gets.
                return;
            }

            var end = buffer.AsSpan(0, have).IndexOf("\r\n\r\n"u8);
            if (end >= 0 && have >= end + 4 + bodyLength)
            {
                if (!buffer.AsSpan(0, have).StartsWith("HTTP/1.1 200"u8) || have != end + 4 + bodyLength)
                {
                    throw new InvalidOperationException($"not the expected answer: {Encoding.ASCII.GetString(buffer, 0, Math.Min(have, 200))}");
                }

                return;
            }
        }
    }
}
