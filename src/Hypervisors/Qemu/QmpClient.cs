using System.Net.Sockets;
using System.Text.Json;
using System.Threading.Channels;
using ChannelSdk.Channels;
using ChannelSdk.Host.Json;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.UnixSocket;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// QEMU Machine Protocol over its Unix socket (QEMU documentation, "QEMU Machine Protocol Specification"): one command
/// at a time, events on the side. What answers is not trusted: a guest may have taken its QEMU over.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    private const int MaxEvents = 256;
    private const int MaxVersion = 128;
    private const int MaxEventBytes = 16 << 10;
    private readonly Socket _socket;
    private readonly QmpReader _reader;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Channel<JsonElement> _events = System.Threading.Channels.Channel.CreateBounded<JsonElement>(
        new BoundedChannelOptions(MaxEvents) { FullMode = BoundedChannelFullMode.DropOldest });
    private long _lastId;
    private bool _isBroken;

    private QmpClient(Socket socket) => (_socket, _reader) = (socket, new QmpReader(socket));

    /// <summary>Events, which are taken when a command waits for its answer; the oldest are dropped beyond 256, and one of more than 16 KiB is.</summary>
    public ChannelReader<JsonElement> Events => _events.Reader;

    /// <summary>QEMU's version, as it greets; escaped.</summary>
    internal string Version { get; private set; } = "";

    /// <summary>Connects and negotiates.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointMissing"/>, <see cref="ChannelError.TransportFailed"/> if it is no QMP server, or <see cref="ChannelError.LinkLost"/> if it goes away.</exception>
    public static Task<QmpClient> ConnectAsync(string path, CancellationToken cancellationToken) => ConnectAsync(path, waitsForTurn: true, cancellationToken);

    /// <summary>Connects and negotiates.</summary>
    /// <param name="path">Path of its socket.</param>
    /// <param name="waitsForTurn">Whether to wait for as long as QEMU starts or serves another client; else that is told (EndpointBusy).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal static async Task<QmpClient> ConnectAsync(string path, bool waitsForTurn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or ArgumentException
                ? new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, $"no QMP server answers at {path}: {FileFault.Describe(e)}", e) : e;
        }

        var client = new QmpClient(socket);
        try
        {
            if (!waitsForTurn && !await AcceptQueue.WaitAsync(socket.SafeHandle, cancellationToken).ConfigureAwait(false))
            {
                throw AcceptQueue.Busy(path);
            }

            var greeting = UntrustedJson.Member(await client.ReadAsync(cancellationToken).ConfigureAwait(false), "QMP") ?? throw NotQmp("it does not greet as QEMU does");
            client.Version = VersionOf(greeting);
            await client.ExecuteAsync("qmp_capabilities", null, cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs a command and returns its result, which is the claim of an untrusted party.</summary>
    /// <param name="command">Name, for instance <c>query-status</c>.</param>
    /// <param name="arguments">The arguments as a JSON object, or null.</param>
    /// <param name="cancellationToken">Ends the wait; the command may run nevertheless. Its answer is never taken for a later one's.</param>
    /// <exception cref="ChannelException">
    /// QEMU refused it (<see cref="ChannelError.Internal"/>, with its text), has gone (<see cref="ChannelError.LinkLost"/>), or what answers is no QMP (<see cref="ChannelError.TransportFailed"/>).
    /// <see cref="ChannelError.InvalidArgument"/>: arguments that are no JSON object.
    /// </exception>
    public Task<JsonElement> ExecuteAsync(string command, string? arguments = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        return ExecuteAsync(command, arguments, null, cancellationToken);
    }

    /// <summary>As the other, with an open file for QEMU (<c>getfd</c>).</summary>
    internal async Task<JsonElement> ExecuteAsync(string command, string? arguments, SafeFileHandle? file, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var id = ++_lastId;
            await SendAsync(JsonCommand.Line(command, arguments, id), file, cancellationToken).ConfigureAwait(false);
            while (true)
            {
                var answer = await ReadAsync(cancellationToken).ConfigureAwait(false);
                if (UntrustedJson.Number(answer, "id") is not { } answered || answered > id)
                {
                    throw NotQmp($"its answer to {command} does not say what it answers");
                }

                if (answered < id)
                {
                    // Of a command whose caller did not wait for it.
                    continue;
                }

                return UntrustedJson.Member(answer, "return") ?? throw (UntrustedJson.Member(answer, "error") is { } error
                    ? new ChannelException(ChannelError.Internal, ErrorClass.Refused, $"QEMU refused {command}: {SafeText.Escape(UntrustedJson.Text(error, "desc"))}")
                    : NotQmp($"its answer to {command} has neither a result nor an error"));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new ChannelException(ChannelError.LinkLost, ErrorClass.MayHaveRun, $"QEMU went away during {command}", e);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Takes events also while no command waits, until QEMU or this client has gone; <see cref="Events"/> end then.</summary>
    internal async Task AttendAsync()
    {
        try
        {
            while (true)
            {
                Task<int>? more = null;
                // Events without an end must not keep a thread to themselves.
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                await _turn.WaitAsync().ConfigureAwait(false);
                try
                {
                    if (_reader.HasLine || _socket.Poll(TimeSpan.Zero, SelectMode.SelectRead))
                    {
                        // An answer here is of a command whose caller did not wait for it.
                        _ = await TakeAsync(CancellationToken.None).ConfigureAwait(false);
                    }
                    else
                    {
                        // Asked for before the turn is another's: a line that a command's read brings along is noticed too.
                        more = _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).AsTask();
                    }
                }
                finally
                {
                    _turn.Release();
                }

                await (more ?? Task.CompletedTask).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ChannelException or SocketException or ObjectDisposedException)
        {
            // It has gone.
        }
        finally
        {
            _events.Writer.TryComplete();
        }
    }

    /// <summary>The error for a server that does not speak the protocol.</summary>
    internal static ChannelException NotQmp(string why) =>
        new(ChannelError.TransportFailed, ErrorClass.Fatal, $"what answers on the QMP socket is not QMP: {why}");

    private static string VersionOf(JsonElement greeting)
    {
        var version = UntrustedJson.Member(greeting, "version");
        var numbers = version is { } known ? UntrustedJson.Member(known, "qemu") : null;
        string Number(string name) => numbers is { } all && UntrustedJson.Number(all, name) is { } number ? number.ToString(System.Globalization.CultureInfo.InvariantCulture) : "?";
        return SafeText.Escape($"{Number("major")}.{Number("minor")}.{Number("micro")} {(version is { } told ? UntrustedJson.Text(told, "package") : "")}".Trim(), MaxVersion);
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> line, SafeFileHandle? file, CancellationToken cancellationToken)
    {
        if (_isBroken)
        {
            throw new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, "a command to QEMU was given up when a part of it was sent; connect again");
        }

        _isBroken = true;
        if (file is not null)
        {
            // A descriptor travels with the first byte.
            FileSending.Send(_socket, line.Span[..1], file);
            line = line[1..];
        }

        while (!line.IsEmpty)
        {
            line = line[await _socket.SendAsync(line, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
        }

        _isBroken = false;
    }

    private async ValueTask<JsonElement> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await TakeAsync(cancellationToken).ConfigureAwait(false) is { } untrusted)
            {
                return untrusted;
            }
        }
    }

    /// <summary>The next line; null if it was an event.</summary>
    private async ValueTask<JsonElement?> TakeAsync(CancellationToken cancellationToken)
    {
        var untrusted = await _reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (UntrustedJson.Member(untrusted, "event") is null)
        {
            return untrusted;
        }

        if (System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(untrusted).Length <= MaxEventBytes)
        {
            _events.Writer.TryWrite(untrusted);
        }

        return null;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
