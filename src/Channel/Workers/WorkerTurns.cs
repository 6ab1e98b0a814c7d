using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Seam;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// This side's turns with the present worker, on the thread that serves all instances: takes what it has written, shows it what was written
/// for it, and wakes it. A worker that breaks the rules is ended here, and nothing that it does is thrown.
/// </summary>
internal sealed class WorkerTurns : ISharedWork
{
    private const int MostInVain = 64;

    private readonly ChannelCore _core;
    private readonly string _uri;
    private readonly SharedWorkLoop _loop;
    // A number that changes while the worker works.
    private readonly Func<long> _signs;
    private Bell? _bell;
    // The memory is gone.
    private bool _isOver;

    public WorkerTurns(ChannelCore core, string uri, SeamPeer peer, Func<long> signs, TimeProvider time)
    {
        (_core, _uri, Peer, _signs) = (core, uri, peer, signs);
        Timer = new SessionTimer(core, () => Peer.NextDeadline, time) { Due = OnDue };
        _loop = new SharedWorkLoop(this);
    }

    /// <summary>Under the lock: the calls, of the present worker and of those that go on with its state.</summary>
    public SeamPeer Peer { get; private set; }

    public SessionTimer Timer { get; }

    /// <summary>Under the lock: what the present worker is ended for; null for nothing.</summary>
    public ChannelException? Fault { get; private set; }

    /// <summary>Under the lock: the worker has written what none may, so that nothing of its state is to be believed.</summary>
    public bool HasLied { get; private set; }

    /// <summary>Serves a worker until it has ended. One that rings for nothing is heard a thousand times a second, as each costs all instances a moment.</summary>
    /// <param name="bell">How it is woken.</param>
    /// <param name="stopping">Ends a pause.</param>
    public async ValueTask ServeAsync(Bell bell, CancellationToken stopping)
    {
        lock (_core.Gate)
        {
            _bell = bell;
            Peer.Attach();
        }

        // What was written before may have found it asleep, without a bell.
        bell.Ring();
        var (received, inVain) = (-1L, 0);
        do
        {
            var now = Peer.Received;
            (inVain, received) = (now == received ? inVain + 1 : 0, now);
            if (inVain > MostInVain)
            {
                await _core.WaitAsync(TimeSpan.FromMilliseconds(1), stopping).ConfigureAwait(false);
            }

            _loop.Wake();
        }
        while (await bell.WaitAsync().ConfigureAwait(false));
    }

    /// <summary>Under the lock: there is no worker. What the last one has written is taken, unless it has lied.</summary>
    public void End()
    {
        _bell = null;
        try
        {
            while (!HasLied && Peer.Receive(_core.Now))
            {
            }
        }
        catch (Exception e)
        {
            Break(e, hasLied: true);
        }
    }

    /// <summary>Under the lock: the next worker is another's successor in nothing, or in all but its faults.</summary>
    /// <param name="peer">Its calls.</param>
    public void Begin(SeamPeer peer) => (Peer, Fault, HasLied) = (peer, null, false);

    /// <summary>Under the lock: from now on nothing looks into the memory.</summary>
    public void Close() => (_bell, _isOver) = (null, true);

    /// <summary>Under the lock: ends the present worker's service.</summary>
    public void Abort() => _bell?.Abort();

    /// <summary>Shows the worker what was written.</summary>
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

    bool ISharedWork.HasWork
    {
        get
        {
            lock (_core.Gate)
            {
                return _bell is not null && Peer.HasWork;
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
                hasMore = Peer.Receive(_core.Now);
                wakes = Peer.Publish(_core.Now);
            }
            catch (Exception e)
            {
                Break(e, hasLied: true);
                return false;
            }

            Timer.Rearm();
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
                return _bell is null || Peer.TrySleep();
            }
            catch (Exception e)
            {
                Break(e, hasLied: true);
                return true;
            }
        }
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
            var wakes = Peer.Publish(_core.Now);
            Timer.Rearm();
            return wakes;
        }
        catch (ChannelException e)
        {
            // A position of the worker's that is impossible.
            Break(e, hasLied: true);
            return false;
        }
    }

    private void OnDue()
    {
        lock (_core.Gate)
        {
            Timer.Clear();
            try
            {
                Peer.Tick(_core.Now, _signs());
            }
            catch (ChannelException e)
            {
                // It works no more, which is no lie.
                Break(e, hasLied: false);
            }

            Timer.Rearm();
        }

        Flush();
    }

    /// <summary>Under the lock: the worker broke the rules, or a handler of calls threw; it is ended.</summary>
    private void Break(Exception e, bool hasLied)
    {
        HasLied |= hasLied;
        Fault ??= FaultReporter.Unexpected($"the worker of {_uri} failed", e);
        _bell?.Abort();
        _bell = null;
    }
}
