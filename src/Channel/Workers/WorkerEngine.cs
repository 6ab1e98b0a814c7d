using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Seam;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// The session in a process of its own: this side has calls, and never reads a byte that a guest has written as the guest wrote it. A worker
/// that ends, or breaks the rules, is followed by another one, later each time.
/// </summary>
internal sealed class WorkerEngine : IChannelEngine, ISharedWork
{
    private const int MostInVain = 64;

    // A worker that is told to end says goodbye to its guest first.
    private static readonly TimeSpan s_goodbye = TimeSpan.FromMilliseconds(500);

    private readonly ChannelCore _core;
    private readonly IWorkerSource _source;
    private readonly IRpcHandler _handler;
    private readonly SeamBounds _bounds;
    private readonly SessionTimer _timer;
    private readonly CancellationTokenSource _stopping = new();
    private readonly WorkerStatus _status;
    private readonly SharedWorkLoop _loop;
    private (StateWord State, DateTimeOffset? Until, ushort Detail) _state;
    private IWorkerMemory _memory;
    private SeamPeer _peer;
    private Bell? _bell;
    private ChannelException? _fault;
    // The memory is gone.
    private bool _isOver;
    private Task _running = Task.CompletedTask;

    public WorkerEngine(ChannelCore core, IWorkerSource source, IRpcHandler handler, TimeProvider time)
    {
        (_core, _source, _handler) = (core, source, handler);
        _bounds = new SeamBounds(core.Options.Session, core.Options.MaxMessage, core.Options.AssemblyBytes);
        _status = new WorkerStatus(core, source);
        _timer = new SessionTimer(core, () => _peer!.NextDeadline, time) { Due = OnDue };
        _loop = new SharedWorkLoop(this);
        (_memory, _peer) = NewPeer();
    }

    public ICallPeer Calls => _peer;

    public SessionFacts Facts => _isOver ? _status.Facts : SeamArea.Figures(_memory.Memory).Read(_status.Facts);

    public void Start() => _running = Task.Run(RunAsync);

    public void Flush()
    {
        Bell? bell;
        lock (_core.Gate)
        {
            bell = Publish() ? _bell : null;
        }

        bell?.Ring();
        _core.Callbacks.Run();
    }

    public void Rearm() => _timer.Rearm();

    public void SetState(StateWord state, DateTimeOffset? until, ushort detail)
    {
        _state = (state, until, detail);
        if (!_isOver)
        {
            _peer.SetState(state, until, detail);
        }
    }

    public void Cut(ChannelException reason)
    {
        if (!_isOver)
        {
            _peer.Cut(reason.Code, reason.Message);
        }
    }

    public void Close() => _peer.Close();

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAny(_running, Task.Delay(s_goodbye)).ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        lock (_core.Gate)
        {
            _bell?.Abort();
        }

        await _core.Faults.ObserveAsync(_running).ConfigureAwait(false);
        lock (_core.Gate)
        {
            _peer.FailAll(ChannelError.SessionClosed, "the channel was closed");
            // From now on nothing looks into the memory.
            (_bell, _isOver) = (null, true);
        }

        _core.Callbacks.Run();
        await _timer.DisposeAsync().ConfigureAwait(false);
        await _core.Faults.DisposeAsync(_source, "the workers could not be disposed of").ConfigureAwait(false);
        _memory.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Until the worker has ended. One that rings for nothing is heard a thousand times a second, as each costs all instances a moment.</summary>
    private async ValueTask ServeAsync(Bell bell)
    {
        var (received, inVain) = (-1L, 0);
        do
        {
            var now = _peer.Received;
            (inVain, received) = (now == received ? inVain + 1 : 0, now);
            if (inVain > MostInVain)
            {
                await _core.WaitAsync(TimeSpan.FromMilliseconds(1), _stopping.Token).ConfigureAwait(false);
            }

            _loop.Wake();
        }
        while (await bell.WaitAsync().ConfigureAwait(false));
    }

    /// <summary>Under the lock, on any thread.</summary>
    private bool Publish()
    {
        if (_isOver)
        {
            return false;
        }

        try
        {
            var wakes = _peer.Publish(_core.Now);
            _timer.Rearm();
            return wakes;
        }
        catch (ChannelException e) when (_bell is not null)
        {
            // A position of the worker's that is impossible.
            Break(e);
            return false;
        }
    }

    bool ISharedWork.HasWork
    {
        get
        {
            lock (_core.Gate)
            {
                return _bell is not null && _peer.HasWork;
            }
        }
    }

    bool ISharedWork.Work()
    {
        Bell? bell;
        bool hasMore;
        bool wakes;
        lock (_core.Gate)
        {
            if ((bell = _bell) is null)
            {
                return false;
            }

            try
            {
                hasMore = _peer.Receive(_core.Now);
                wakes = _peer.Publish(_core.Now);
            }
            catch (Exception e)
            {
                Break(e);
                return false;
            }

            _timer.Rearm();
        }

        if (wakes)
        {
            bell.Ring();
        }

        _core.Callbacks.Run();
        return hasMore;
    }

    bool ISharedWork.TrySleep()
    {
        lock (_core.Gate)
        {
            try
            {
                return _bell is null || _peer.TrySleep();
            }
            catch (Exception e)
            {
                Break(e);
                return true;
            }
        }
    }

    /// <summary>Under the lock: the worker broke the rules, or a handler of calls threw; it is ended.</summary>
    private void Break(Exception e)
    {
        _fault ??= FaultReporter.Unexpected($"the worker of {_source.Uri} failed", e);
        _bell?.Abort();
        _bell = null;
    }

    private async Task RunAsync()
    {
        var retry = _core.Options.RetryMin;
        while (!_stopping.IsCancellationRequested)
        {
            var error = await RunWorkerAsync().ConfigureAwait(false);
            bool isClosed;
            lock (_core.Gate)
            {
                isClosed = _core.Status.IsClosed;
                if (!isClosed)
                {
                    retry = EndWorker(error) ? _core.Options.RetryMin : retry;
                }
            }

            if (isClosed)
            {
                return;
            }

            _core.Callbacks.Run();
            _core.Events.Publish(ChannelEventKind.EndpointFailed, error.Code, error.Message);
            await _core.WaitAsync(retry, _stopping.Token).ConfigureAwait(false);
            retry = retry * 2 < _core.Options.RetryMax ? retry * 2 : _core.Options.RetryMax;
        }
    }

    /// <summary>One worker from its start to its end, and why it has ended.</summary>
    private async Task<ChannelException> RunWorkerAsync()
    {
        try
        {
            var link = await _source.StartAsync(_memory, _stopping.Token).ConfigureAwait(false);
            try
            {
                var bell = new Bell(link, _core.Faults);
                lock (_core.Gate)
                {
                    _bell = bell;
                }

                // What was written before may have found it asleep, without a bell.
                bell.Ring();
                await ServeAsync(bell).ConfigureAwait(false);
                return _fault ?? new ChannelException(ChannelError.WorkerFailed, ErrorClass.Retry, $"the worker of {_source.Uri} has ended");
            }
            finally
            {
                await _core.Faults.DisposeAsync(link, "a worker could not be ended").ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // Any exception: this ends with the channel, not before.
            return _fault ?? FaultReporter.Unexpected($"the worker of {_source.Uri} failed", e);
        }
    }

    /// <summary>Under the lock: what the worker had is lost, and there is memory for the next one. True: it had a session.</summary>
    private bool EndWorker(ChannelException error)
    {
        (_bell, _fault) = (null, null);
        var hadSession = _status.Facts.SessionId != 0;
        if (hadSession)
        {
            _status.OnSessionLost(error.Code, error.Message);
        }

        _core.Status.LastError = error;
        _core.Status.OnOpening();
        _peer.FailAll(ChannelError.WorkerFailed, error.Message);
        _memory.Dispose();
        (_memory, _peer) = NewPeer();
        _peer.SetState(_state.State, _state.Until, _state.Detail);
        return hadSession;
    }

    private (IWorkerMemory Memory, SeamPeer Peer) NewPeer()
    {
        var memory = _source.CreateMemory(SeamArea.SizeFor(_bounds));
        return (memory, new SeamPeer(_bounds, SeamArea.ToWorker(memory.Memory), SeamArea.FromWorker(memory.Memory), _handler, _status));
    }

    private void OnDue()
    {
        lock (_core.Gate)
        {
            _timer.Clear();
            try
            {
                _peer.Tick(_core.Now);
            }
            catch (ChannelException e)
            {
                Break(e);
            }

            _timer.Rearm();
        }

        Flush();
    }
}
