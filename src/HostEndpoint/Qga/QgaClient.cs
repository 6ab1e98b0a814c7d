using System.Globalization;
using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// Calls the QEMU guest agent, one command at a time. With every call goes a synchronization with a new random number, and
/// everything up to its answer is dropped, so that a late reply is never taken for another call's; after a timeout or a cut
/// nothing is called before one was answered. Thread-safe.
/// </summary>
public sealed class QgaClient : IAsyncDisposable
{
    private const string ExecStatus = "guest-exec-status";

    // A longer reply would hold up the thread that it came on, which may be that of all links.
    private const int ParsedHere = 4096;

    private const byte Sentinel = 0xFF;

    // After so many unanswered questions the link is reopened: QEMU may have lost the guest's side of it.
    private const int SyncsPerLink = 4;
    private static readonly TimeSpan s_reopen = TimeSpan.FromMilliseconds(200);
    private readonly QgaStream _stream;
    private readonly QgaClientOptions _options;
    private readonly SemaphoreSlim _turn = new(1);
    private bool _isSynced;

    /// <summary>Makes a client; nothing is opened before the first call.</summary>
    /// <param name="endpoint">Where qemu-ga is, as the host sees it; disposed of with the client.</param>
    /// <param name="options">Bounds and times; null for the defaults.</param>
    public QgaClient(ITransportEndpoint endpoint, QgaClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        (_stream, _options) = (new QgaStream(endpoint), options ?? new QgaClientOptions());
        _options.Validate();
    }

    /// <summary>Makes a client for the Unix socket of a chardev, or of an agent itself.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="options">Bounds and times; null for the defaults.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadEndpointUri"/>.</exception>
    public static QgaClient Open(string path, QgaClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new(TransportEndpoints.Create("virtio-serial://" + path), options);
    }

    /// <summary>Whether a call is under way.</summary>
    internal bool IsBusy => _turn.CurrentCount == 0;

    /// <summary>Waits until the agent answers.</summary>
    /// <param name="timeout">How long; null for <see cref="QgaClientOptions.CallTimeout"/>.</param>
    /// <param name="cancellationToken">Gives up the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.DeadlineExceeded"/>, or why the endpoint cannot be opened.</exception>
    public async Task SyncAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        await RunAsync(null, [], timeout, cancellationToken).ConfigureAwait(false);

    /// <summary>Calls a command.</summary>
    /// <param name="command">For instance <c>guest-get-osinfo</c>.</param>
    /// <param name="arguments">A JSON object; null for none.</param>
    /// <param name="timeout">How long; null for <see cref="QgaClientOptions.CallTimeout"/>.</param>
    /// <param name="cancellationToken">Gives up the wait; the guest may do it nevertheless.</param>
    /// <returns>What the guest returned: the claim of an untrusted party.</returns>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: the guest's own error; <see cref="ChannelError.Unsupported"/>: it has no such command, or blocks it; <see cref="ChannelError.DeadlineExceeded"/>: no
    /// reply in time, it may have run; <see cref="ChannelError.InvalidArgument"/>: arguments that are no object, or a malformed reply;
    /// <see cref="ChannelError.ResourceExhausted"/>: a reply that is too long.
    /// </exception>
    public Task<JsonElement> CallAsync(string command, string? arguments = null, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        RunAsync(command, JsonCommand.Line(command, arguments), timeout, cancellationToken);

    /// <summary>Calls a command whose success has no reply. An error that comes within a short time is thrown.</summary>
    /// <param name="command">For instance <c>guest-shutdown</c>.</param>
    /// <param name="arguments">A JSON object; null for none.</param>
    /// <param name="grace">How long an error is waited for.</param>
    /// <param name="cancellationToken">Gives up the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="CallAsync"/>; the end of the link is no error.</exception>
    public async Task SendAsync(string command, string? arguments, TimeSpan grace, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        await SyncAsync(null, cancellationToken).ConfigureAwait(false);
        try
        {
            await RunAsync(command, JsonCommand.Line(command, arguments), grace, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code is ChannelError.DeadlineExceeded or ChannelError.LinkLost && e.Class == ErrorClass.MayHaveRun)
        {
            // No reply is the good case.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _isSynced = false;
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Runs a command, or only finds the stream's place.</summary>
    private async Task<JsonElement> RunAsync(string? command, byte[] request, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var limit = new TimeLimit(timeout ?? _options.CallTimeout, _options.Time, cancellationToken);
        var sent = false;
        ChannelException? last = null;
        try
        {
            await _turn.WaitAsync(limit.Token).ConfigureAwait(false);
            try
            {
                while (!_isSynced)
                {
                    last = await TrySyncAsync(limit.Token).ConfigureAwait(false) ?? last;
                    // Who only asks whether the agent answers learns at once that another client has it.
                    if (!_isSynced && (last is { Class: not ErrorClass.Retry } || (command is null && last is { Code: ChannelError.EndpointBusy })))
                    {
                        throw last;
                    }
                }

                if (command is null)
                {
                    return default;
                }

                _isSynced = false;
                sent = true;
                // One write, two commands: replies before the first one's answer are stale.
                var id = NewId();
                await _stream.SendAsync([.. SyncRequest(id), .. request], limit.Token).ConfigureAwait(false);
                await WaitForAsync(id, limit.Token).ConfigureAwait(false);
                _stream.AwaitReply(command == ExecStatus ? _options.MaxExecReply : _options.MaxReply);
                var line = await _stream.ReadLineAsync(limit.Token).ConfigureAwait(false);
                _isSynced = true;
                return line.Length <= ParsedHere ? QgaReplyReader.Parse(line, command)
                    : await Task.Run(() => QgaReplyReader.Parse(line, command), CancellationToken.None).ConfigureAwait(false);
            }
            catch (ChannelException e) when (e.Code is ChannelError.LinkLost or ChannelError.TransportFailed or ChannelError.ResourceExhausted)
            {
                await DropLinkAsync().ConfigureAwait(false);
                throw e.Code == ChannelError.ResourceExhausted ? e
                    : new ChannelException(ChannelError.LinkLost, sent ? ErrorClass.MayHaveRun : ErrorClass.Retry, $"the way to the guest's qemu-ga was cut: {e.Message}");
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw !sent && last is not null ? last : new ChannelException(ChannelError.DeadlineExceeded, sent ? ErrorClass.MayHaveRun : ErrorClass.Retry,
                $"the guest's qemu-ga did not answer {command ?? "guest-sync-delimited"} within {(timeout ?? _options.CallTimeout).TotalSeconds:0.#} s");
        }
    }

    /// <summary>Asks for the stream's place, until it is found or the link must be reopened; the reason if it is not found.</summary>
    private async ValueTask<ChannelException?> TrySyncAsync(CancellationToken cancellationToken)
    {
        _isSynced = false;
        try
        {
            await _stream.OpenAsync(cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < SyncsPerLink; i++)
            {
                var id = NewId();
                using var interval = new TimeLimit(_options.SyncInterval, _options.Time, cancellationToken);
                try
                {
                    await _stream.SendAsync([Sentinel, .. SyncRequest(id)], interval.Token).ConfigureAwait(false);
                    await WaitForAsync(id, interval.Token).ConfigureAwait(false);
                    _isSynced = true;
                    return null;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && _stream.IsOpen)
                {
                    // A guest that boots, or an agent that is busy: asked again.
                }
            }

            await DropLinkAsync().ConfigureAwait(false);
            return new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"nobody answers at {_stream.Uri}: the guest may still boot, or no qemu-ga runs in it");
        }
        catch (ChannelException e)
        {
            await DropLinkAsync().ConfigureAwait(false);
            await Task.Delay(s_reopen, _options.Time, cancellationToken).ConfigureAwait(false);
            return e.Code is ChannelError.LinkLost or ChannelError.ResourceExhausted ? new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, e.Message) : e;
        }
    }

    private static long NewId() => Random.Shared.NextInt64(1, long.MaxValue);

    private static byte[] SyncRequest(long id) =>
        JsonCommand.Line("guest-sync-delimited", string.Create(CultureInfo.InvariantCulture, $"{{\"id\":{id}}}"));

    private async ValueTask WaitForAsync(long id, CancellationToken cancellationToken)
    {
        do
        {
            _stream.AwaitSync();
        }
        while (!IsAnswer(await _stream.ReadLineAsync(cancellationToken).ConfigureAwait(false), id));
    }

    private static bool IsAnswer(ReadOnlyMemory<byte> untrusted, long id)
    {
        try
        {
            return QgaReplyReader.Parse(untrusted, "guest-sync-delimited") is { ValueKind: JsonValueKind.Number } number
                && number.TryGetInt64(out var answered) && answered == id;
        }
        catch (ChannelException)
        {
            return false;
        }
    }

    private ValueTask DropLinkAsync()
    {
        _isSynced = false;
        return _stream.DropLinkAsync();
    }
}
