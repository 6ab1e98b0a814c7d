using System.Globalization;
using System.Text.Json;
using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.HostEndpoint.Qga;

/// <summary>Bounds and times of a <see cref="QgaClient"/>.</summary>
public sealed record QgaClientOptions
{
    /// <summary>Bytes of the longest reply, 4 KiB to 256 MiB.</summary>
    public int MaxReply { get; init; } = 16 << 20;

    /// <summary>
    /// Bytes of the longest reply to guest-exec-status, 4 KiB to 256 MiB. By default all that qemu-ga keeps of a program's two
    /// outputs fits: 16 MiB of each, in base64.
    /// </summary>
    public int MaxExecReply { get; init; } = 48 << 20;

    /// <summary>How long an answer to a synchronization is waited for before it is asked for again, 1 ms to 1 hour.</summary>
    public TimeSpan SyncInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Deadline of a call that gives none, 1 ms to 7 days.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal void Validate()
    {
        OptionCheck.Range(MaxReply, 4096, 256 << 20);
        OptionCheck.Range(MaxExecReply, 4096, 256 << 20);
        OptionCheck.Range(SyncInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(1));
        OptionCheck.Range(CallTimeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7));
    }
}

/// <summary>
/// Calls the QEMU guest agent, one command at a time. With every call goes a synchronization with a new random number, and
/// everything up to its answer is dropped, so that a late reply is never taken for another call's; after a timeout or a cut
/// nothing is called before one was answered. Thread-safe.
/// </summary>
public sealed class QgaClient : IAsyncDisposable
{
    private const int ReceiveBuffer = 64 << 10;
    private const string ExecStatus = "guest-exec-status";

    // A longer reply would hold up the thread that it came on, which may be that of all links.
    private const int ParsedHere = 4096;

    private const byte Sentinel = 0xFF;

    // So many unanswered questions on a link, and it is made anew: QEMU may have lost the guest's side of it.
    private const int SyncsPerLink = 4;
    private static readonly TimeSpan s_reopen = TimeSpan.FromMilliseconds(200);
    private readonly ITransportEndpoint _endpoint;
    private readonly QgaClientOptions _options;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly QgaReplyReader _replies = new();
    private readonly byte[] _received = new byte[ReceiveBuffer];
    private ReadOnlyMemory<byte> _pending;
    private ITransportLink? _link;
    private Task<int>? _receiving;
    private bool _isSynced;

    /// <summary>Makes a client; nothing is opened before the first call.</summary>
    /// <param name="endpoint">Where qemu-ga is, as the host sees it; disposed of with the client.</param>
    /// <param name="options">Bounds and times; null for the defaults.</param>
    public QgaClient(ITransportEndpoint endpoint, QgaClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        (_endpoint, _options) = (endpoint, options ?? new QgaClientOptions());
        _options.Validate();
    }

    /// <summary>Makes a client for the Unix socket of a chardev, or of an agent itself.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="options">Bounds and times; null for the defaults.</param>
    /// <exception cref="ChannelException">BadEndpointUri.</exception>
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
    /// <exception cref="ChannelException">DeadlineExceeded, or why the endpoint cannot be opened.</exception>
    public async ValueTask SyncAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        await RunAsync(null, [], timeout, cancellationToken).ConfigureAwait(false);

    /// <summary>Calls a command.</summary>
    /// <param name="command">For instance <c>guest-get-osinfo</c>.</param>
    /// <param name="arguments">A JSON object; null for none.</param>
    /// <param name="timeout">How long; null for <see cref="QgaClientOptions.CallTimeout"/>.</param>
    /// <param name="cancellationToken">Gives up the wait; the guest may do it nevertheless.</param>
    /// <returns>What the guest returned: the claim of an untrusted party.</returns>
    /// <exception cref="ChannelException">
    /// FailedPrecondition: the guest's own error; Unsupported: it has no such command, or blocks it; DeadlineExceeded: no
    /// reply in time, it may have run; InvalidArgument: arguments that are no object, or a reply that is none;
    /// ResourceExhausted: a reply that is too long.
    /// </exception>
    public ValueTask<JsonElement> CallAsync(string command, string? arguments = null, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        RunAsync(command, JsonCommand.Line(command, arguments), timeout, cancellationToken);

    /// <summary>Calls a command whose success has no reply. An error that comes within a short time is thrown.</summary>
    /// <param name="command">For instance <c>guest-shutdown</c>.</param>
    /// <param name="arguments">A JSON object; null for none.</param>
    /// <param name="grace">How long an error is waited for.</param>
    /// <param name="cancellationToken">Gives up the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="CallAsync"/>; the end of the link is none.</exception>
    public async ValueTask SendAsync(string command, string? arguments, TimeSpan grace, CancellationToken cancellationToken = default)
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
        await DropLinkAsync().ConfigureAwait(false);
        await _endpoint.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Runs a command, or only finds the stream's place.</summary>
    private async ValueTask<JsonElement> RunAsync(string? command, byte[] request, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout ?? _options.CallTimeout);
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
                // One write, two commands: what comes before the first one's answer is nobody's.
                var id = NewId();
                await SendAsync([.. SyncRequest(id), .. request], limit.Token).ConfigureAwait(false);
                await WaitForAsync(id, limit.Token).ConfigureAwait(false);
                _replies.AwaitReply(command == ExecStatus ? _options.MaxExecReply : _options.MaxReply);
                var line = await ReadLineAsync(limit.Token).ConfigureAwait(false);
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

    /// <summary>Asks for the stream's place, until it is found or the link has to be made anew; why, if it is not found.</summary>
    private async ValueTask<ChannelException?> TrySyncAsync(CancellationToken cancellationToken)
    {
        _isSynced = false;
        try
        {
            _link ??= await _endpoint.OpenAsync(cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < SyncsPerLink; i++)
            {
                var id = NewId();
                using var interval = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                interval.CancelAfter(_options.SyncInterval);
                try
                {
                    await SendAsync([Sentinel, .. SyncRequest(id)], interval.Token).ConfigureAwait(false);
                    await WaitForAsync(id, interval.Token).ConfigureAwait(false);
                    _isSynced = true;
                    return null;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && _link is not null)
                {
                    // A guest that boots, or an agent that is busy: asked again.
                }
            }

            await DropLinkAsync().ConfigureAwait(false);
            return new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"nobody answers at {_endpoint.Uri}: the guest may still boot, or no qemu-ga runs in it");
        }
        catch (ChannelException e)
        {
            await DropLinkAsync().ConfigureAwait(false);
            await Task.Delay(s_reopen, cancellationToken).ConfigureAwait(false);
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
            _replies.AwaitSync();
        }
        while (!IsAnswer(await ReadLineAsync(cancellationToken).ConfigureAwait(false), id));
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

    private async ValueTask SendAsync(byte[] whole, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> bytes = whole;
        while (!bytes.IsEmpty)
        {
            var sending = _link!.SendAsync(bytes).AsTask();
            try
            {
                bytes = bytes[await sending.WaitAsync(cancellationToken).ConfigureAwait(false)..];
            }
            catch (OperationCanceledException)
            {
                // A part may have gone; nothing can follow it on this link.
                await DropLinkAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_replies.TryTake(ref _pending, out var line))
            {
                return line;
            }

            // A guest that floods must not outlast the deadline.
            cancellationToken.ThrowIfCancellationRequested();
            // A receive outlives the call that began it: the link has no way to take it back. What follows it is not the I/O
            // thread's work, which other instances wait for.
            _receiving ??= _link!.ReceiveAsync(_received).AsTask().ContinueWith(
                static received => received.GetAwaiter().GetResult(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            var count = await _receiving.WaitAsync(cancellationToken).ConfigureAwait(false);
            _receiving = null;
            _pending = count > 0 ? _received.AsMemory(0, count)
                : throw new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, $"{_endpoint.Uri} was closed");
        }
    }

    private async ValueTask DropLinkAsync()
    {
        _isSynced = false;
        if (Interlocked.Exchange(ref _link, null) is { } link)
        {
            link.Abort();
            if (Interlocked.Exchange(ref _receiving, null) is { } receiving)
            {
                await ((Task)receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await link.DisposeAsync().ConfigureAwait(false);
        }

        _pending = default;
        _replies.Clear();
    }
}
