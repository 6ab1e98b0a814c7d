using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// The process's one I/O thread: waits on epoll for edges and runs the waiting operations' continuations inline.
/// </summary>
/// <remarks>
/// A link whose data never runs dry would keep this thread for itself, since its loop always finishes at once. So
/// each turn has a budget of bytes; when it is used up, the operation is put behind the other links' events.
/// </remarks>
internal sealed unsafe class IoReactor
{
    private const int MaxEvents = 128;

    // Memory that is looked at between two looks for events; more would keep events waiting.
    private const int MostAttended = 8;
    private const int TurnBudget = 512 * 1024;
    internal const int OperationCost = 4096;
    private const ulong WakeToken = ulong.MaxValue;

    private static readonly Lazy<IoReactor> s_shared = new(() => new IoReactor());

    // While a process polls, the other side must be able to move.
    private static int s_takingTurns = 2;

    private readonly EpollSet _epoll;
    private readonly SafeFd _wake;
    private readonly RegistrationTable _table = new();
    private readonly ConcurrentQueue<IReactorWork> _posted = new();
    private List<IReactorWork> _soon = new(16);
    private List<IReactorWork> _running = new(16);
    private readonly List<SharedWorkLoop> _attended = new(MostAttended);
    private readonly ReactorTimers? _timers = HasSharedWork ? new ReactorTimers() : null;
    private readonly bool _mayPoll = Environment.ProcessorCount >= s_takingTurns;
    private readonly int _threadId;
    private int _turnLeft;
    private LullPolicy _lull;

    private IoReactor()
    {
        _epoll = EpollSet.Create(MaxEvents);
        if (_epoll.IsInvalid)
        {
            throw Failure("epoll_create1", Errno.Last);
        }

        _wake = Own(DescriptorCalls.EventFd(0, Abi.EFD_NONBLOCK | Abi.EFD_CLOEXEC), "eventfd");
        Require(_epoll.Add(_wake, Abi.EPOLLIN | Abi.EPOLLET, WakeToken));
        var thread = new Thread(Run) { Name = "channel-io", IsBackground = true };
        _threadId = thread.ManagedThreadId;
        thread.UnsafeStart();
    }

    /// <summary>Whether this program may be a host's, or a worker of one, which the agent's build says it is not.</summary>
    [FeatureSwitchDefinition("ChannelSdk.HostTransports")]
    private static bool HasSharedWork => !AppContext.TryGetSwitch("ChannelSdk.HostTransports", out var isOn) || isOn;

    /// <summary>The process's reactor; its thread starts with the first use.</summary>
    internal static IoReactor Shared => s_shared.Value;

    /// <summary>Starts the process's reactor, which polls only where so many processes that wait for each other have a processor each.</summary>
    internal static void Start(int takingTurns)
    {
        s_takingTurns = takingTurns;
        _ = s_shared.Value;
    }

    private bool IsReactorThread => Environment.CurrentManagedThreadId == _threadId;

    /// <summary>True on the reactor's thread when the running continuation has had its share.</summary>
    internal bool TurnIsUsedUp => Volatile.Read(ref _turnLeft) <= 0 && IsReactorThread;

    /// <summary>Counts an operation that finished at once against the turn.</summary>
    internal void Charge(int bytes)
    {
        if (IsReactorThread)
        {
            _turnLeft -= Math.Max(bytes, OperationCost);
        }
    }

    /// <summary>Adds a descriptor; edges may arrive before this returns.</summary>
    /// <returns>The token to change and remove it with.</returns>
    internal ulong Register(SafeFd fd, uint events, IReactorClient client)
    {
        var token = _table.Add(client);
        try
        {
            Require(_epoll.Add(fd, events | Abi.EPOLLET, token));
        }
        catch
        {
            _table.Remove(token);
            throw;
        }

        return token;
    }

    /// <summary>Changes the events of interest; an event that is already true is reported again.</summary>
    internal void Modify(SafeFd fd, uint events, ulong token) =>
        Require(_epoll.Modify(fd, events | Abi.EPOLLET, token));

    /// <summary>Removes a descriptor, which must still be open.</summary>
    internal void Unregister(SafeFd fd, ulong token)
    {
        _table.Remove(token);
        _epoll.Remove(fd);
    }

    /// <summary>Has work done after the events at hand. Only on the reactor's thread.</summary>
    internal void RunSoon(IReactorWork work) => _soon.Add(work);

    /// <summary>Has work done on the reactor's thread, after what runs there now. From any thread.</summary>
    internal void Schedule(IReactorWork work)
    {
        if (IsReactorThread)
        {
            RunSoon(work);
        }
        else
        {
            Post(work);
        }
    }

    /// <summary>Has work done on the reactor's thread. From any thread.</summary>
    internal void Post(IReactorWork work)
    {
        _posted.Enqueue(work);
        Wake();
    }

    /// <summary>Sets when a timer fires. From any thread.</summary>
    internal void Arm(ReactorTimer timer, long dueAt)
    {
        if (_timers!.Set(timer, dueAt) && !IsReactorThread)
        {
            Wake();
        }
    }

    private void Wake()
    {
        ulong one = 1;
        // EAGAIN means that the counter is at its maximum, so a wake is pending anyway.
        _ = DescriptorCalls.Write(_wake, &one, sizeof(ulong));
    }

    private void Run()
    {
        while (true)
        {
            // What has to be done soon may never run dry.
            var count = _soon.Count > 0 ? Look() : WaitForEvents();
            for (var i = 0; i < count; i++)
            {
                _turnLeft = TurnBudget;
                if (_epoll.Token(i) == WakeToken)
                {
                    DrainPosted();
                }
                else
                {
                    _table.Find(_epoll.Token(i))?.OnEvents(_epoll.Events(i));
                }
            }

            if (HasSharedWork)
            {
                _turnLeft = TurnBudget;
                _timers!.FireDue();
            }

            RunQueued();
        }
    }

    /// <summary>Looks for shared work too, before this thread sleeps. On its thread.</summary>
    internal void Attend(SharedWorkLoop work)
    {
        if (_attended.Contains(work))
        {
            return;
        }

        if (_attended.Count == MostAttended)
        {
            LetSleep(0);
        }

        _attended.Add(work);
    }

    private int Look()
    {
        DoAttended();
        return _epoll.Wait(0);
    }

    private int WaitForEvents()
    {
        var begin = Stopwatch.GetTimestamp();
        if (_lull.IsWorthPolling)
        {
            var now = begin;
            while (now - begin < LullPolicy.MostTicks)
            {
                // First, as events may never run dry.
                var worked = DoAttended();
                var found = _epoll.Wait(0);
                if (worked || found != 0)
                {
                    _lull.NotePoll(found: true);
                    return found;
                }
                // Other threads that want this processor go first.
                Thread.Yield();
                now = Stopwatch.GetTimestamp();
            }

            _lull.NotePoll(found: false);
            begin = now;
        }

        var count = _epoll.Wait(LetAllSleep() ? SleepAtMost() : 0);
        if (_mayPoll)
        {
            _lull.NoteSleep(Stopwatch.GetTimestamp() - begin);
        }

        return count;
    }

    private int SleepAtMost() => HasSharedWork ? _timers!.Timeout() : Timeout.Infinite;

    /// <summary>Does what has come by shared memory. False: nothing has.</summary>
    private bool DoAttended()
    {
        var found = false;
        for (var i = 0; HasSharedWork && i < _attended.Count; i++)
        {
            _turnLeft = TurnBudget;
            found |= _attended[i].TryWork();
        }

        return found;
    }

    /// <summary>False: some of it did not sleep, and is done soon.</summary>
    private bool LetAllSleep()
    {
        var slept = true;
        while (HasSharedWork && _attended.Count > 0)
        {
            slept &= LetSleep(_attended.Count - 1);
        }

        return slept;
    }

    private bool LetSleep(int place)
    {
        var work = _attended[place];
        _attended.RemoveAt(place);
        return work.TrySleep();
    }

    private void DrainPosted()
    {
        ulong counter;
        _ = DescriptorCalls.Read(_wake, &counter, sizeof(ulong));
        while (_posted.TryDequeue(out var work))
        {
            _soon.Add(work);
        }
    }

    private void RunQueued()
    {
        if (_soon.Count == 0)
        {
            return;
        }
        // What these put off again goes to the other list, so that events come in between.
        (_soon, _running) = (_running, _soon);
        foreach (var work in _running)
        {
            _turnLeft = TurnBudget;
            work.OnReady();
        }

        _running.Clear();
    }

    private static void Require(int status)
    {
        if (status < 0)
        {
            throw Failure("epoll_ctl", Errno.Last);
        }
    }

    private static SafeFd Own(int fd, string call) => fd >= 0 ? new SafeFd(fd) : throw Failure(call, Errno.Last);

    private static ChannelException Failure(string call, int errno) => new(
        ChannelError.TransportFailed, ErrorClass.Retry, $"the I/O thread's {call} failed: {Errno.Describe(errno)}");
}
