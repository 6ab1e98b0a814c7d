using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// The session in a process of its own: this side has calls, and never reads a byte that a guest has written as the guest wrote it. A worker
/// that ends is followed by another one, later each time, which goes on with what the first has kept in this side's memory. One that breaks
/// the rules, or that ends again and again, is followed by one that begins with nothing.
/// </summary>
internal sealed class WorkerEngine : IChannelEngine
{
    /// <summary>So often the state of a worker is tried that ends before its session was up for <see cref="s_settled"/>.</summary>
    private const int MostResumes = 5;

    private static readonly TimeSpan s_settled = TimeSpan.FromSeconds(1);

    // A worker that is told to end says goodbye to its guest first.
    private static readonly TimeSpan s_goodbye = TimeSpan.FromMilliseconds(500);

    private readonly ChannelCore _core;
    private readonly IWorkerSource _source;
    private readonly IRpcHandler _handler;
    private readonly SeamBounds _bounds;
    private readonly CancellationTokenSource _stopping = new();
    private readonly WorkerStatus _status;
    private readonly WorkerTurns _turns;
    private (StateWord State, DateTimeOffset? Until, ushort Detail) _state;
    private IWorkerMemory _memory;
    private bool _isFirst = true;
    private bool _resumes;
    private int _inVain;
    private bool _isOver;
    private Task _running = Task.CompletedTask;

    public WorkerEngine(ChannelCore core, IWorkerSource source, IRpcHandler handler, TimeProvider time)
    {
        (_core, _source, _handler) = (core, source, handler);
        _bounds = SeamArea.BoundsOf(core.Options);
        _status = new WorkerStatus(core, source);
        _memory = _source.CreateMemory(SeamArea.SizeFor(_bounds));
        _turns = new WorkerTurns(core, source.Uri, NewPeer(), () => Facts.HeartbeatAt, time);
    }

    public ICallPeer Calls => _turns.Peer;

    public SessionFacts Facts => _isOver ? _status.Facts : Area.Figures.Read(_status.Facts);

    private SeamArea Area => new(_memory.Memory, _bounds);

    public void Start() => _running = Task.Run(RunAsync);

    public void Flush() => _turns.Flush();

    public void Rearm() => _turns.Timer.Rearm();

    public void SetState(StateWord state, DateTimeOffset? until, ushort detail)
    {
        _state = (state, until, detail);
        if (!_isOver)
        {
            _turns.Peer.SetState(state, until, detail);
        }
    }

    public void Cut(ChannelException reason)
    {
        if (!_isOver)
        {
            _turns.Peer.Cut(reason.Code, reason.Message);
        }
    }

    public void Close() => _turns.Peer.Close();

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAny(_running, Task.Delay(s_goodbye)).ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        lock (_core.Gate)
        {
            _turns.Abort();
        }

        await _core.Faults.ObserveAsync(_running).ConfigureAwait(false);
        lock (_core.Gate)
        {
            _turns.Peer.FailAll(ChannelError.SessionClosed, "the channel was closed");
            _turns.Close();
            _isOver = true;
        }

        _core.Callbacks.Run();
        await _turns.Timer.DisposeAsync().ConfigureAwait(false);
        await _core.Faults.DisposeAsync(_source, "the workers could not be disposed of").ConfigureAwait(false);
        _memory.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var retry = _core.Options.RetryMin;
        while (!_stopping.IsCancellationRequested)
        {
            var begun = _core.Now;
            var error = await RunWorkerAsync().ConfigureAwait(false);
            bool isClosed;
            lock (_core.Gate)
            {
                isClosed = _core.Status.IsClosed;
                if (!isClosed)
                {
                    var wasSettled = _core.Status.State == ChannelState.Up && _core.Now - begun >= s_settled.TotalMicroseconds;
                    (_inVain, retry) = wasSettled ? (0, _core.Options.RetryMin) : (_inVain + 1, retry);
                    EndWorker(error);
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
            Renew();
            var link = await _source.StartAsync(_memory, _resumes, _stopping.Token).ConfigureAwait(false);
            try
            {
                await _turns.ServeAsync(new Bell(link, _core.Faults), _stopping.Token).ConfigureAwait(false);
                return _turns.Fault ?? new ChannelException(ChannelError.WorkerFailed, ErrorClass.Retry, $"the worker of {_source.Uri} has ended");
            }
            finally
            {
                await _core.Faults.DisposeAsync(link, "a worker could not be ended").ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // Any exception: this ends with the channel, not before.
            return _turns.Fault ?? FaultReporter.Unexpected($"the worker of {_source.Uri} failed", e);
        }
    }

    /// <summary>Under the lock: the worker has ended. What it had is lost, or kept for the next one.</summary>
    private void EndWorker(ChannelException error)
    {
        _turns.End();
        _core.Status.LastError = error;
        _resumes = !_turns.HasLied && _inVain < MostResumes && Area.State.Committed != 0;
        _turns.Peer.Detach(error.Code, error.Message);
        if (!_resumes)
        {
            Lose(error);
        }

        _core.Status.OnOpening();
    }

    private void Lose(ChannelException error)
    {
        if (_status.Facts.SessionId != 0)
        {
            _status.OnSessionLost(error.Code, error.Message);
        }

        _turns.Peer.FailAll(ChannelError.WorkerFailed, error.Message);
    }

    /// <summary>Before a worker is started: there is memory for it, with the state of the last one or with nothing.</summary>
    private void Renew()
    {
        var memory = _resumes || _isFirst ? null : _source.CreateMemory(SeamArea.SizeFor(_bounds));
        lock (_core.Gate)
        {
            if (memory is not null)
            {
                // Calls that were begun since have no worker, either.
                _turns.Peer.FailAll(ChannelError.WorkerFailed, "the worker has ended");
                _memory.Dispose();
                (_memory, _inVain) = (memory, 0);
            }

            _turns.Begin(memory is null ? _turns.Peer : NewPeer());
            _turns.Peer.SetState(_state.State, _state.Until, _state.Detail);
            _isFirst = false;
        }

        _core.Callbacks.Run();
    }

    private SeamPeer NewPeer() => new(_bounds, Area.ToWorker, Area.FromWorker, _handler, _status);
}
