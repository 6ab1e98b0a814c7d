using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Testing;

/// <summary>A server of HTTP that a test answers for: each connection has one request, whose head is given to the test.</summary>
public sealed class HeadServer : IDisposable
{
    private readonly TcpListener _listener;
    private readonly Func<string, NetworkStream, Task> _answer;

    /// <summary>Serves answers that are texts.</summary>
    public HeadServer(Func<string, string> answer, string address = "127.0.0.1", int port = 0)
        : this((head, stream) => stream.WriteAsync(Encoding.Latin1.GetBytes(answer(head))).AsTask(), address, port)
    {
    }

    /// <summary>Serves what the test writes; the connection ends with the task.</summary>
    public HeadServer(Func<string, NetworkStream, Task> answer, string address = "127.0.0.1", int port = 0)
    {
        _answer = answer;
        _listener = new TcpListener(IPAddress.Parse(address), port);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        Url = $"http://{_listener.LocalEndpoint}";
        _ = AcceptAsync();
    }

    public string Url { get; }

    public int Port { get; }

    /// <summary>The heads of all requests.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>A good answer with a content.</summary>
    public static string Ok(string content) => $"HTTP/1.1 200 OK\r\nContent-Length: {content.Length}\r\n\r\n{content}";

    public void Dispose() => _listener.Stop();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                var head = new StringBuilder();
                var buffer = new byte[1];
                while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await client.GetStream().ReadAsync(buffer) > 0)
                {
                    head.Append((char)buffer[0]);
                }

                Requests.Enqueue(head.ToString());
                await _answer(head.ToString(), client.GetStream());
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The client has gone.
        }
    }
}
