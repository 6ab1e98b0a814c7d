using ChannelSdk.Protocol;
using ChannelSdk.Runtime.Links;
using ChannelSdk.Transports;
using ChannelSdk.Transports.Native;
using Google.Protobuf;

namespace ChannelSdk.Runtime;

/// <summary>
/// One session with one peer, over the links that an endpoint yields one after the other. Calls and streams live on
/// while links come and go. Thread-safe. This file is the public surface; Channel.Link.cs moves bytes,
/// Channel.Calls.cs hands events to callers and handlers.
/// </summary>
public sealed partial class Channel : IAsyncDisposable
{
    private readonly ITransportEndpoint _endpoint;
    private readonly ServiceRegistry _services;
    private readonly ChannelOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly EventHub _events;
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;
    private bool _isStarted;
    private bool _isClosed;

    /// <summary>Makes a channel; <see cref="Start"/> begins to open links.</summary>
    /// <param name="role">This side.</param>
    /// <param name="endpoint">Where links come from; disposed of with the channel.</param>
    /// <param name="services">The methods that this side serves.</param>
    /// <param name="options">Bounds and times; null for the defaults of the role.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="ChannelException">An option is out of range (BadConfiguration).</exception>
    public Channel(PeerRole role, ITransportEndpoint endpoint, ServiceRegistry services, ChannelOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(services);
        _options = options ?? (role == PeerRole.Guest ? ChannelOptions.ForGuest : new ChannelOptions());
        _options.Validate();
        (_services, _time) = (services, time ?? TimeProvider.System);
        _endpoint = endpoint is IListeningEndpoint { HasCandidates: true } listening
            ? new CandidateEndpoint(listening, _options.CandidateTime, _time)
            : endpoint;
        _events = new EventHub(_options.EventBacklog, _time);
        Rpc = new RpcPeer(role, _options.Session, _options.MaxMessage, _options.AssemblyBytes, this, NextNonce);
        _sendContinuation = OnSendCompleted;
    }

    /// <summary>Guards <see cref="Rpc"/> and everything below it. Nothing of a user runs under it.</summary>
    internal Lock Gate { get; } = new();

    internal RpcPeer Rpc { get; }

    /// <summary>Microseconds of a monotonic clock.</summary>
    internal long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>Begins to open links, for as long as the channel is not disposed of.</summary>
    public void Start()
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (_isStarted)
            {
                throw new InvalidOperationException("the channel was started before");
            }

            _isStarted = true;
        }

        _running = Task.Run(RunAsync);
    }

    /// <summary>Where the channel is now.</summary>
    public ChannelStatus Status
    {
        get
        {
            lock (Gate)
            {
                var id = Rpc.Session.SessionId;
                var pause = Rpc.Session.ReceivePausedUntil - Now;
                return new ChannelStatus
                {
                    LinkState = _linkState,
                    SessionId = id == 0 ? null : id,
                    Resumes = _resumes,
                    PeerHeartbeat = _heartbeat,
                    HeartbeatAge = _heartbeat is null ? null : TimeSpan.FromMicroseconds(Now - _heartbeatAt),
                    LastError = _lastError,
                    Peer = _peer,
                    BytesIn = _bytesIn,
                    BytesOut = _bytesOut,
                    ReceivePause = pause > 0 ? TimeSpan.FromMicroseconds(pause) : null,
                    Version = Rpc.Session.Version,
                    Capabilities = ChannelCapabilities.Names(Rpc.Session.Capabilities),
                };
            }
        }
    }

    /// <summary>
    /// Events from now on; first, if the endpoint cannot be opened at this moment, why. A watcher that does not read loses
    /// the oldest, and reads that it did.
    /// </summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken = default) => _events.WatchAsync(cancellationToken);

    /// <summary>Waits until a session is established and its link is up.</summary>
    /// <exception cref="ChannelException">The channel was disposed of (SessionClosed).</exception>
    public async ValueTask WaitReadyAsync(CancellationToken cancellationToken = default)
    {
        Task ready;
        lock (Gate)
        {
            ThrowIfClosed();
            ready = _ready.Task;
        }

        await ready.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What this side's heartbeats say from now on; a change is sent at once.</summary>
    /// <param name="state">What this side does.</param>
    /// <param name="until">When that ends by itself, if it does.</param>
    /// <param name="detail">A number whose meaning depends on the state.</param>
    public void SetState(StateWord state, DateTimeOffset? until = null, ushort detail = 0)
    {
        lock (Gate)
        {
            Rpc.Session.SetHeartbeat(state, until, detail, Now);
        }

        Flush();
    }

    /// <summary>Calls a unary method of the peer.</summary>
    /// <exception cref="ChannelException">
    /// The peer's status, or DeadlineExceeded, SessionLost, SessionClosed, TooManyStreams; Class says whether it may have run.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> fired; the peer is told, it may have run.</exception>
    public ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, CallOptions options = default, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new()
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        _options.Guard?.OnCalling(method.Name, method.IsPrivileged);
        var size = CheckSize(request);
        var pending = PendingCall<TReply>.Rent(this, _options.InlineCompletions);
        var task = pending.Task;
        lock (Gate)
        {
            ThrowIfClosed();
            var call = Begin(method.NameBytes, method.StreamClass, isStream: false, options, pending);
            pending.Attach(call);
            WriteRequest(call, request, size);
            Rpc.Write(call, size, DataFlags.Fin);
            Rearm();
        }

        pending.RegisterCancel(cancellationToken);
        Flush();
        return task;
    }

    /// <summary>
    /// Opens a stream on a streaming method of the peer. It completes when the request was taken, which needs a link; what fails
    /// later shows in the stream's reads and writes.
    /// </summary>
    /// <exception cref="ChannelException">TooManyStreams, SessionClosed, or DeadlineExceeded while there is no link.</exception>
    public ValueTask<ChannelStream> OpenStreamAsync<TRequest>(
        StreamMethod<TRequest> method, TRequest request, CallOptions options = default, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        _options.Guard?.OnCalling(method.Name, method.IsPrivileged);
        var size = CheckSize(request);
        ChannelStream stream;
        bool taken;
        ValueTask written = default;
        lock (Gate)
        {
            ThrowIfClosed();
            var call = Begin(method.NameBytes, method.StreamClass, isStream: true, options, null);
            stream = new ChannelStream(this, call);
            call.State = stream;
            WriteRequest(call, request, size);
            taken = Rpc.Write(call, size, DataFlags.None);
            if (!taken)
            {
                written = stream.WaitWritten(cancellationToken);
            }

            Rearm();
        }

        Flush();
        return taken ? new ValueTask<ChannelStream>(stream) : AfterAsync(written, stream);

        static async ValueTask<ChannelStream> AfterAsync(ValueTask written, ChannelStream stream)
        {
            await written.ConfigureAwait(false);
            return stream;
        }
    }

    /// <summary>Cuts the present link, for instance to move to another; the session resumes on the next one.</summary>
    /// <param name="reason">For the event and the log.</param>
    public void DropLink(string reason) => AbortLink(ChannelError.LinkLost, reason);

    /// <summary>Tells the peer that the session ends, fails what is under way, and closes link and endpoint.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (Gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            Rpc.Session.Close(ChannelError.SessionClosed, "the channel was closed");
            _ready.TrySetException(Closed());
            _ = _ready.Task.Exception;
        }

        RunDeferred();
        Flush();
        try
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
        }
        catch (AggregateException e)
        {
            ReportFault("the endpoint failed to stop", e);
        }

        await ObserveAsync(DrainAndAbortAsync(isGoodbye: true)).ConfigureAwait(false);
        await ObserveAsync(_running).ConfigureAwait(false);
        if (_timer is not null)
        {
            await _timer.DisposeAsync().ConfigureAwait(false);
        }

        await DisposeSafelyAsync(_endpoint, "the endpoint could not be disposed of").ConfigureAwait(false);
        _events.Complete();
        _stopping.Dispose();
    }

    private RpcCall Begin(byte[] method, StreamClass streamClass, bool isStream, CallOptions options, object? state)
    {
        var now = Now;
        var deadline = At(options.Deadline, "deadline");
        return Rpc.Begin(method, streamClass, isStream, deadline, now, state, At(options.AnswerWithin, "time for an answer"));

        long At(TimeSpan? time, string what) => time switch
        {
            null => 0,
            { Ticks: <= 0 } => throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"a call's {what} is {time}; it must be above 0"),
            _ => now + Math.Max(1, (long)time.Value.TotalMicroseconds),
        };
    }

    private void WriteRequest(RpcCall call, IMessage request, int size)
    {
        try
        {
            request.WriteTo(call.RentWriteBuffer(size));
        }
        catch
        {
            // A message that its owner changes meanwhile, or one that cannot be written: there is no call.
            Rpc.Abort(call, ChannelError.Cancelled);
            throw;
        }
    }

    private int CheckSize(IMessage request)
    {
        var size = request.CalculateSize();
        return size <= _options.MaxMessage
            ? size
            : throw new ChannelException(ChannelError.MessageTooLarge, ErrorClass.Refused, $"a request of {size} bytes, allowed are {_options.MaxMessage}");
    }

    private void ThrowIfClosed()
    {
        if (_isClosed)
        {
            throw Closed();
        }
    }

    private static ChannelException Closed() => new(ChannelError.SessionClosed, ErrorClass.Refused, "the channel is closed");

    /// <summary>A random name.</summary>
    private static UInt128 NextNonce()
    {
        Span<byte> bytes = stackalloc byte[16];
        KernelRandom.Fill(bytes);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(bytes);
    }
}
