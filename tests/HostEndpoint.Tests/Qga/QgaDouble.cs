using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.HostEndpoint.Tests.Qga;

/// <summary>A guest's qemu-ga as a test wants it: answers synchronizations, and the rest as told. One client at a time.</summary>
internal sealed class QgaDouble : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("qga-double-");
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private Socket? _client;

    public QgaDouble(Func<QgaDouble, string, JsonElement, Task>? answer = null)
    {
        Answer = answer ?? (static (guest, command, _) => guest.ReturnAsync("{}"));
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen(4);
        _running = RunAsync();
    }

    public string Path => System.IO.Path.Combine(_root.FullName, "qga.sock");

    /// <summary>Told command and arguments; sends what it likes.</summary>
    public Func<QgaDouble, string, JsonElement, Task> Answer { get; set; }

    /// <summary>Called before a synchronization is answered; false: it is not.</summary>
    public Func<QgaDouble, Task<bool>> OnSync { get; set; } = static _ => Task.FromResult(true);

    public int Connections { get; private set; }

    public ConcurrentQueue<string> Commands { get; } = [];

    public Task ReturnAsync(string json) => SendAsync($"{{\"return\": {json}}}\n");

    public Task ErrorAsync(string errorClass, string text) => SendAsync($"{{\"error\": {{\"class\": \"{errorClass}\", \"desc\": \"{text}\"}}}}\n");

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _client!.SendAsync(bytes, SocketFlags.None, _stop.Token)..];
        }
    }

    /// <summary>Cuts the present connection.</summary>
    public void Cut() => _client!.Dispose();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        _client?.Dispose();
        await _running;
        _root.Delete(recursive: true);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _client = await _listener.AcceptAsync(_stop.Token);
                Connections++;
                await ServeAsync();
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
            {
                // The client has gone, or was cut.
            }
            finally
            {
                _client?.Dispose();
            }
        }
    }

    private async Task ServeAsync()
    {
        using var stream = new NetworkStream(_client!, ownsSocket: false);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        while (await reader.ReadLineAsync(_stop.Token) is { } line)
        {
            var request = JsonDocument.Parse(line[(line.LastIndexOf('\u00FF') + 1)..]).RootElement;
            var command = request.GetProperty("execute").GetString()!;
            var arguments = request.TryGetProperty("arguments", out var given) ? given : default;
            if (command == "guest-sync-delimited")
            {
                if (await OnSync(this))
                {
                    await SendAsync(new byte[] { 0xFF });
                    await ReturnAsync(arguments.GetProperty("id").GetRawText());
                }
            }
            else
            {
                Commands.Enqueue(command);
                await Answer(this, command, arguments);
            }
        }
    }
}
