using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>A client of the protocol as scripts are: writes lines, reads lines.</summary>
internal sealed class QgaTestClient : IDisposable
{
    private readonly Socket _socket;
    private static readonly TimeSpan s_hung = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _limit = new();
    private readonly List<byte> _received = [];

    private QgaTestClient(Socket socket) => _socket = socket;

    public static async Task<QgaTestClient> ConnectAsync(string path)
    {
        var limit = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
                return new QgaTestClient(socket);
            }
            catch (SocketException) when (limit.Elapsed < TimeSpan.FromSeconds(30))
            {
                // The agent has not made it yet.
                socket.Dispose();
                await Task.Delay(5);
            }
        }
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        _limit.CancelAfter(s_hung);
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, _limit.Token)..];
        }
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>One line without its end; null once the agent has closed.</summary>
    public async Task<byte[]?> ReadLineAsync()
    {
        _limit.CancelAfter(s_hung);
        var buffer = new byte[65536];
        while (true)
        {
            var end = _received.IndexOf((byte)'\n');
            if (end >= 0)
            {
                byte[] line = [.. _received[..end]];
                _received.RemoveRange(0, end + 1);
                return line;
            }

            var count = await _socket.ReceiveAsync(buffer, SocketFlags.None, _limit.Token);
            if (count == 0)
            {
                return null;
            }

            _received.AddRange(buffer.AsSpan(0, count));
        }
    }

    public async Task<JsonElement> ReadAsync()
    {
        var line = await ReadLineAsync() ?? throw new EndOfStreamException();
        return JsonDocument.Parse(line).RootElement;
    }

    /// <summary>The whole reply to a request.</summary>
    public async Task<JsonElement> AskAsync(string request)
    {
        await SendAsync(request + "\n");
        return await ReadAsync();
    }

    /// <summary>What a command returns.</summary>
    public async Task<JsonElement> CallAsync(string command, string arguments = "{}")
    {
        var reply = await AskAsync($"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}");
        Assert.True(reply.TryGetProperty("return", out var result), reply.ToString());
        return result;
    }

    /// <summary>Class and text of the error that a request has.</summary>
    public async Task<(string Class, string Text)> FailAsync(string request)
    {
        var reply = await AskAsync(request);
        Assert.True(reply.TryGetProperty("error", out var error), reply.ToString());
        return (error.GetProperty("class").GetString()!, error.GetProperty("desc").GetString()!);
    }

    public Task<(string Class, string Text)> FailAsync(string command, string arguments) =>
        FailAsync($"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}");

    public void Shutdown() => _socket.Shutdown(SocketShutdown.Send);

    public void Dispose()
    {
        _socket.Dispose();
        _limit.Dispose();
    }
}
