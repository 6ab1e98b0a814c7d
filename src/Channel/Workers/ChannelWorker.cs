using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Seam;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// What runs in a worker: the session with one guest over the links of one endpoint, whose calls are carried to the supervisor and back. It
/// ends when the supervisor says so, or has ended.
/// </summary>
public sealed class ChannelWorker : ISeamControl, ISessionEvents, ISharedWork, IAsyncDisposable
{
    private readonly ChannelCore _core;
    private readonly SessionEngine _session;
    private readonly SeamRelay _relay;
    private readonly Bell _bell;
    private readonly ITransportLink _link;
    private readonly PublishDeferred _publish;
    private readonly SharedFigures _figures;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool _resumes;
    private bool _isClosing;
    /// <summary>What the supervisor was told of the guest's heartbeats, since the link is up.</summary>
    private Heartbeat? _heartbeat;

    /// <summary>Makes one; <see cref="RunAsync"/> does the work.</summary>
    /// <param name="endpoint">Where the guest's links come from; disposed of with this.</param>
    /// <param name="options">Bounds and times, as the supervisor's.</param>
    /// <param name="memory">The memory that the supervisor shares.</param>
    /// <param name="supervisor">The socket to the supervisor; disposed of with this.</param>
    /// <param name="resumes">Whether another worker had the memory before, with whose session this one goes on.</param>
    /// <param name="time">The clock; null for the system's, which the supervisor has too.</param>
    /// <exception cref="ChannelException">An option is out of range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public ChannelWorker(ITransportEndpoint endpoint, ChannelOptions options, Memory<byte> memory, ITransportLink supervisor, bool resumes, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(supervisor);
        options.Validate();
        time ??= TimeProvider.System;
        _core = new ChannelCore(options, time);
        _link = supervisor;
        _bell = new Bell(supervisor, _core.Faults);
        _publish = new PublishDeferred(this);
        var bounds = SeamArea.BoundsOf(options);
        var area = new SeamArea(memory, bounds);
        (_figures, _resumes) = (area.Figures, resumes);
        _relay = new SeamRelay(area.ToWorker, area.FromWorker, area.State, bounds, this, () => _publish.Ask(_core.Callbacks));
        _session = new SessionEngine(_core, PeerRole.Host, endpoint, _relay, this, time, _relay.Keeper)
        {
            IsCongested = () => _relay.IsCongested,
            Commit = _relay.Commit,
        };
        _relay.Rpc = _session.Rpc;
        _core.Engine = _session;
        _core.Status.Moved = OnMoved;
    }

    /// <summary>Bytes of the memory that a supervisor shares.</summary>
    /// <param name="options">Bounds of its channel.</param>
    public static int MemoryFor(ChannelOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return SeamArea.SizeFor(SeamArea.BoundsOf(options));
    }

    /// <summary>Works until the supervisor has said that it shall end, or has ended.</summary>
    /// <exception cref="ChannelException">
    /// The supervisor broke the rules, or the worker before has left nothing that can be gone on with (<see cref="ChannelError.WorkerFailed"/>).
    /// </exception>
    public async Task RunAsync()
    {
        lock (_core.Gate)
        {
            if (_resumes)
            {
                _relay.Resume(_core.Now);
            }

            _core.Status.Start();
        }

        _core.Callbacks.Run();
        // The worker before may have ended between a commit and the bell.
        _bell.Ring();
        using var stopping = new CancellationTokenSource();
        var telling = TellFailuresAsync(stopping.Token);
        _session.Start();
        var bell = RunBellAsync();
        await (await Task.WhenAny(bell, _ended.Task).ConfigureAwait(false)).ConfigureAwait(false);
        await stopping.CancelAsync().ConfigureAwait(false);
        await _core.Faults.ObserveAsync(telling).ConfigureAwait(false);
    }

    bool ISharedWork.HasWork => !_ended.Task.IsCompleted && _relay.HasWork;

    bool ISharedWork.Work()
    {
        try
        {
            lock (_core.Gate)
            {
                _relay.Receive(_core.Now);
                _publish.Ask(_core.Callbacks);
                _session.Rearm();
            }

            _core.Callbacks.Run();
            _session.Flush();
            if (_isClosing)
            {
                _ended.TrySetResult();
            }
        }
        catch (Exception e)
        {
            // What the supervisor writes is not what this version knows.
            _ended.TrySetException(e);
        }

        return false;
    }

    bool ISharedWork.TrySleep()
    {
        try
        {
            lock (_core.Gate)
            {
                return _ended.Task.IsCompleted || _relay.TrySleep();
            }
        }
        catch (Exception e)
        {
            _ended.TrySetException(e);
            return true;
        }
    }

    /// <summary>Ends the session, with a goodbye to the guest if it was not ended, and the socket to the supervisor.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_core.Gate)
        {
            if (_core.Status.TryClose())
            {
                _session.Close();
            }
        }

        _core.Callbacks.Run();
        _session.Flush();
        await _session.DisposeAsync().ConfigureAwait(false);
        await _link.DisposeAsync().ConfigureAwait(false);
    }

    void ISeamControl.SetState(StateWord state, DateTimeOffset? until, ushort detail) => _session.SetState(state, until, detail);

    void ISeamControl.Cut(ChannelError code, string text) => _session.Cut(new ChannelException(code, ErrorClass.Retry, text));

    void ISeamControl.Close() => _isClosing = true;

    void ISessionEvents.OnEstablished(bool resumed)
    {
        _heartbeat = null;
        Each(static (events, resumed) => events.OnEstablished(resumed), resumed);
    }

    void ISessionEvents.OnLinkLost(ChannelError code, string text) => Each(static (events, lost) => events.OnLinkLost(lost.code, lost.text), (code, text));

    void ISessionEvents.OnSessionLost(ChannelError code, string text) => Each(static (events, lost) => events.OnSessionLost(lost.code, lost.text), (code, text));

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
        // One that says nothing new wakes no one.
        var said = heartbeat with { RoundTrip = null };
        if (said != _heartbeat)
        {
            _heartbeat = said;
            Each(static (events, heartbeat) => events.OnPeerHeartbeat(heartbeat), heartbeat);
        }

        _figures.Write(_session.Facts);
        _figures.WriteHeartbeat(_core.Now, (long)(heartbeat.RoundTrip?.TotalMicroseconds ?? 0));
    }

    /// <summary>The links' loop asks the status here; the supervisor is told the same.</summary>
    private void Each<T>(Action<ISessionEvents, T> tell, T what)
    {
        tell(_core.Status, what);
        tell(_relay, what);
    }

    private void OnMoved(ChannelState state)
    {
        switch (state)
        {
            case ChannelState.Opening:
                _relay.OnOpening();
                break;
            case ChannelState.Handshake:
                _relay.OnLink();
                break;
        }
    }

    private async Task RunBellAsync()
    {
        var loop = new SharedWorkLoop(this);
        do
        {
            loop.Wake();
        }
        while (await _bell.WaitAsync().ConfigureAwait(false));
    }

    private async Task TellFailuresAsync(CancellationToken stopping)
    {
        try
        {
            await foreach (var told in _core.Events.WatchAsync(stopping).ConfigureAwait(false))
            {
                lock (_core.Gate)
                {
                    if (told.Kind == ChannelEventKind.EndpointFailed)
                    {
                        _relay.OnEndpointFailed(told.Error, told.Text);
                    }
                    else if (told.Kind == ChannelEventKind.Fault)
                    {
                        _relay.OnFault(told.Text);
                    }
                }

                _core.Callbacks.Run();
            }
        }
        catch (OperationCanceledException)
        {
            // The worker ends.
        }
    }

    private void Publish()
    {
        bool wakes;
        lock (_core.Gate)
        {
            _figures.Write(_session.Facts);
            wakes = _publish.Take() && _relay.Publish();
        }

        if (wakes)
        {
            _bell.Ring();
        }
    }

    /// <summary>Shows the supervisor what was written under the lock, once, when that is free.</summary>
    private sealed class PublishDeferred(ChannelWorker worker) : IDeferred
    {
        private bool _isAsked;

        public void Ask(CallbackRunner callbacks)
        {
            if (!_isAsked)
            {
                _isAsked = true;
                callbacks.Defer(this);
            }
        }

        public bool Take() => _isAsked && !(_isAsked = false);

        public void Run() => worker.Publish();
    }
}
