using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Launch;

/// <summary>
/// QEMU Machine Protocol over its Unix socket (QEMU documentation, "QEMU Machine Protocol Specification"): one command
/// at a time, events on the side.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly StreamReader _reader;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Channel<JsonElement> _events = System.Threading.Channels.Channel.CreateBounded<JsonElement>(
        new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest });

    private QmpClient(Socket socket)
    {
        _socket = socket;
        _reader = new StreamReader(new NetworkStream(socket), Encoding.UTF8);
    }

    /// <summary>Events that came while a command was waiting for its answer; the oldest are dropped beyond 256.</summary>
    public ChannelReader<JsonElement> Events => _events.Reader;

    /// <summary>Connects and negotiates.</summary>
    /// <exception cref="ChannelException">EndpointMissing, or TransportFailed if it is no QMP server.</exception>
    public static async Task<QmpClient> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, $"no QMP server answers at {path}: {e.Message}", e);
        }

        var client = new QmpClient(socket);
        await client.ReadAsync(cancellationToken).ConfigureAwait(false);
        await client.ExecuteAsync("qmp_capabilities", null, cancellationToken).ConfigureAwait(false);
        return client;
    }

    /// <summary>Runs a command and returns its result.</summary>
    /// <param name="command">Name, for instance <c>query-status</c>.</param>
    /// <param name="arguments">The arguments as a JSON object, or null.</param>
    /// <param name="cancellationToken">Ends the wait; the connection is of no use afterwards.</param>
    /// <exception cref="ChannelException">QEMU refused it (Internal, with its text) or has gone (LinkLost).</exception>
    public async Task<JsonElement> ExecuteAsync(string command, string? arguments = null, CancellationToken cancellationToken = default)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var line = arguments is null
                ? $"{{\"execute\":\"{command}\"}}\n"
                : $"{{\"execute\":\"{command}\",\"arguments\":{arguments}}}\n";
            await _socket.SendAsync(Encoding.UTF8.GetBytes(line), cancellationToken).ConfigureAwait(false);
            while (true)
            {
                var answer = await ReadAsync(cancellationToken).ConfigureAwait(false);
                if (answer.TryGetProperty("return", out var result))
                {
                    return result;
                }

                if (answer.TryGetProperty("error", out var error))
                {
                    throw new ChannelException(ChannelError.Internal, ErrorClass.Refused, $"QEMU refused {command}: {error.GetProperty("desc").GetString()}");
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new ChannelException(ChannelError.LinkLost, ErrorClass.MayHaveRun, $"QEMU went away during {command}", e);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<JsonElement> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var line = await _reader.ReadLineAsync(cancellationToken).ConfigureAwait(false)
                ?? throw new ChannelException(ChannelError.LinkLost, ErrorClass.MayHaveRun, "QEMU closed its QMP socket");
            try
            {
                using var document = JsonDocument.Parse(line);
                var root = document.RootElement.Clone();
                if (root.TryGetProperty("event", out _))
                {
                    _events.Writer.TryWrite(root);
                    continue;
                }

                return root;
            }
            catch (JsonException e)
            {
                throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Fatal, "what answers on the QMP socket is not QMP", e);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _reader.Dispose();
        _socket.Dispose();
        _turn.Dispose();
        return ValueTask.CompletedTask;
    }
}
