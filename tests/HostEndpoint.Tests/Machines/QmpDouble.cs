using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>A machine monitor as a test wants it. One client at a time.</summary>
internal sealed class QmpDouble : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Socket? _client;

    public QmpDouble(string path)
    {
        Path = path;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(4);
        _running = RunAsync();
    }

    public string Path { get; }

    public string Greeting { get; set; } = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n";

    /// <summary>What is answered to a command, told it and its id; null: nothing.</summary>
    public Func<string, long, string?> Answer { get; set; } = static (_, id) => Return(id);

    public ConcurrentQueue<string> Lines { get; } = [];

    public static string Return(long id, string value = "{}") => $"{{\"return\": {value}, \"id\": {id}}}\n";

    /// <summary>Waits for the first client.</summary>
    public Task ConnectedAsync(CancellationToken cancellationToken) => _connected.Task.WaitAsync(cancellationToken);

    public async Task SendAsync(string text)
    {
        for (ReadOnlyMemory<byte> bytes = Encoding.UTF8.GetBytes(text); !bytes.IsEmpty;)
        {
            bytes = bytes[await _client!.SendAsync(bytes, SocketFlags.None, _stop.Token)..];
        }
    }

    /// <summary>Goes, as a monitor does with its QEMU; what was sent is there to be read.</summary>
    public void HangUp() => _client!.Shutdown(SocketShutdown.Both);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        _client?.Dispose();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _client = await _listener.AcceptAsync(_stop.Token);
                _connected.TrySetResult();
                await SendAsync(Greeting);
                using var reader = new StreamReader(new NetworkStream(_client, ownsSocket: false));
                while (await reader.ReadLineAsync(_stop.Token) is { } line)
                {
                    Lines.Enqueue(line);
                    var command = JsonDocument.Parse(line).RootElement;
                    var id = command.GetProperty("id").GetInt64();
                    var name = command.GetProperty("execute").GetString()!;
                    await SendAsync((name == "qmp_capabilities" ? Return(id) : Answer(name, id)) ?? "");
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
            {
                // The client has gone.
            }
            finally
            {
                _client?.Dispose();
            }
        }
    }
}
