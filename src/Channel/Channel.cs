using System.Runtime.CompilerServices;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>
/// One session with one peer, over the links that an endpoint yields one after the other. Calls and streams live on
/// while links come and go. Thread-safe.
/// </summary>
public sealed class Channel : IAsyncDisposable
{
    private readonly ChannelCore _core;
    private readonly OutgoingCalls _calls;

    /// <summary>Makes a channel; <see cref="Start"/> begins to open links.</summary>
    /// <param name="role">This side.</param>
    /// <param name="endpoint">Where links come from; disposed of with the channel.</param>
    /// <param name="services">The methods that this side serves.</param>
    /// <param name="options">Bounds and times; null for the defaults of the role.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="ChannelException">An option is out of range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public Channel(PeerRole role, ITransportEndpoint endpoint, ServiceRegistry services, ChannelOptions? options = null, TimeProvider? time = null)
        : this(
            options ?? (role == PeerRole.Guest ? ChannelOptions.ForGuest : new ChannelOptions()),
            time ?? TimeProvider.System,
            (core, clock) => new SessionEngine(core, role, Given(endpoint), new CallDispatcher(core, Given(services)), core.Status, clock))
    {
    }

    /// <summary>As above, with calls that are carried otherwise.</summary>
    internal Channel(ChannelOptions options, TimeProvider time, Func<ChannelCore, TimeProvider, IChannelEngine> engine)
    {
        options.Validate();
        _core = new ChannelCore(options, time);
        _calls = new OutgoingCalls(_core);
        _core.Engine = engine(_core, time);
    }

    /// <summary>Begins to open links, for as long as the channel is not disposed of.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public void Start()
    {
        lock (_core.Gate)
        {
            _core.Status.Start();
        }

        _core.Engine.Start();
    }

    /// <summary>Where the channel is now.</summary>
    public ChannelStatus Status
    {
        get
        {
            lock (_core.Gate)
            {
                return _core.Status.Snapshot();
            }
        }
    }

    /// <summary>
    /// Events from now on; first, if the endpoint cannot be opened at this moment, why. A watcher that does not read loses
    /// the oldest, and reads that it did.
    /// </summary>
    public IAsyncEnumerable<ChannelEvent> WatchAsync(CancellationToken cancellationToken = default) => _core.Events.WatchAsync(cancellationToken);

    /// <summary>Waits until a session is established and its link is up.</summary>
    /// <exception cref="ChannelException">The channel was disposed of (<see cref="ChannelError.SessionClosed"/>).</exception>
    /// <exception cref="OperationCanceledException">The token has fired, also where there is nothing to wait for.</exception>
    public async ValueTask WaitReadyAsync(CancellationToken cancellationToken = default)
    {
        // A wait for what has ended does not look at its token, and a caller that tries again until it fires would never end.
        cancellationToken.ThrowIfCancellationRequested();
        Task ready;
        lock (_core.Gate)
        {
            _core.Status.ThrowIfClosed();
            ready = _core.Status.Ready;
        }

        await ready.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What this side's heartbeats say from now on; a change is sent at once.</summary>
    /// <param name="state">What this side does.</param>
    /// <param name="until">When that ends by itself, if it does.</param>
    /// <param name="detail">A number whose meaning depends on the state.</param>
    public void SetState(StateWord state, DateTimeOffset? until = null, ushort detail = 0)
    {
        lock (_core.Gate)
        {
            _core.Engine.SetState(state, until, detail);
        }

        _core.Engine.Flush();
    }

    /// <summary>Calls a unary method of the peer.</summary>
    /// <exception cref="ChannelException">
    /// The peer's status, or <see cref="ChannelError.DeadlineExceeded"/>, <see cref="ChannelError.SessionLost"/>, <see cref="ChannelError.SessionClosed"/>, <see cref="ChannelError.TooManyStreams"/>; Class says whether it may have run.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> fired; the peer is told, it may have run.</exception>
    public ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, CallOptions options = default, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() => _calls.CallAsync(method, request, options, cancellationToken);

    /// <summary>
    /// Opens a stream on a streaming method of the peer. It completes when the request was taken, which needs a link; what fails
    /// later shows in the stream's reads and writes.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TooManyStreams"/>, <see cref="ChannelError.SessionClosed"/>, or <see cref="ChannelError.DeadlineExceeded"/> while there is no link.</exception>
    public ValueTask<ChannelStream> OpenStreamAsync<TRequest>(
        StreamMethod<TRequest> method, TRequest request, CallOptions options = default, CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>, new() => _calls.OpenStreamAsync(method, request, options, cancellationToken);

    /// <summary>Cuts the present link, for instance to move to another; the session resumes on the next one.</summary>
    /// <param name="reason">For the event and the log.</param>
    public void DropLink(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        lock (_core.Gate)
        {
            _core.Engine.Cut(new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, reason));
        }
    }

    /// <summary>
    /// Reports a failure of code that works with this channel and has no caller to throw to: as an event and as the last
    /// error. At most one a second is told; the next one counts those in between.
    /// </summary>
    /// <param name="what">What failed, as the beginning of a sentence.</param>
    /// <param name="e">What was thrown.</param>
    public void ReportFault(string what, Exception e)
    {
        ArgumentNullException.ThrowIfNull(what);
        ArgumentNullException.ThrowIfNull(e);
        _core.Faults.Report(what, e);
    }

    /// <summary>Tells the peer that the session ends, fails what is under way, and closes link and endpoint.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_core.Gate)
        {
            if (!_core.Status.TryClose())
            {
                return;
            }

            _core.Engine.Close();
        }

        _core.Callbacks.Run();
        _core.Engine.Flush();
        await _core.Engine.DisposeAsync().ConfigureAwait(false);
        lock (_core.Gate)
        {
            _core.Status.OnClosed();
        }

        _core.Events.Complete();
    }

    private static T Given<T>(T argument, [CallerArgumentExpression(nameof(argument))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(argument, name);
        return argument;
    }
}
