using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

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
    private const int TurnBudget = 512 * 1024;
    internal const int OperationCost = 4096;
    private const ulong WakeToken = ulong.MaxValue;

    // With one processor the other side cannot move while this one polls.
    private static readonly bool s_mayPoll = Environment.ProcessorCount > 1;
    private static readonly Lazy<IoReactor> s_shared = new(() => new IoReactor());

    private readonly SafeFd _epoll;
    private readonly SafeFd _wake;
    private readonly RegistrationTable _table = new();
    private readonly ConcurrentQueue<IReactorWork> _posted = new();
    private List<IReactorWork> _soon = new(16);
    private List<IReactorWork> _running = new(16);
    private readonly int _threadId;
    private int _turnLeft;
    private LullPolicy _lull;

    private IoReactor()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new PlatformNotSupportedException("The descriptor transports need Linux on x86-64.");
        }
        _epoll = Own(Libc.EpollCreate1(Linux.EPOLL_CLOEXEC), "epoll_create1");
        _wake = Own(Libc.EventFd(0, Linux.EFD_NONBLOCK | Linux.EFD_CLOEXEC), "eventfd");
        Control(Linux.EPOLL_CTL_ADD, _wake, Linux.EPOLLIN | Linux.EPOLLET, WakeToken);
        var thread = new Thread(Run) { Name = "channel-io", IsBackground = true };
        _threadId = thread.ManagedThreadId;
        thread.UnsafeStart();
    }

    /// <summary>The process's reactor; its thread starts with the first use.</summary>
    internal static IoReactor Shared => s_shared.Value;

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
        ulong token = _table.Add(client);
        try
        {
            Control(Linux.EPOLL_CTL_ADD, fd, events | Linux.EPOLLET, token);
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
        Control(Linux.EPOLL_CTL_MOD, fd, events | Linux.EPOLLET, token);

    /// <summary>Removes a descriptor, which must still be open.</summary>
    internal void Unregister(SafeFd fd, ulong token)
    {
        _table.Remove(token);
        EpollEvent ignored = default;
        // Fails only if the descriptor is not in the set, and then nothing is left to do.
        _ = Libc.EpollCtl(_epoll, Linux.EPOLL_CTL_DEL, fd, &ignored);
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
        ulong one = 1;
        // EAGAIN means that the counter is at its maximum, so a wake is pending anyway.
        _ = Libc.Write(_wake, &one, sizeof(ulong));
    }

    private void Run()
    {
        var events = (EpollEvent*)NativeMemory.Alloc(MaxEvents, (nuint)sizeof(EpollEvent));
        while (true)
        {
            int count = _soon.Count > 0 ? Libc.EpollWait(_epoll, events, MaxEvents, 0) : WaitForEvents(events);
            for (int i = 0; i < count; i++)
            {
                _turnLeft = TurnBudget;
                if (events[i].Data == WakeToken)
                {
                    DrainPosted();
                }
                else
                {
                    _table.Find(events[i].Data)?.OnEvents(events[i].Events);
                }
            }
            RunQueued();
        }
    }

    private int WaitForEvents(EpollEvent* events)
    {
        long begin = Stopwatch.GetTimestamp();
        if (_lull.IsWorthPolling)
        {
            long now = begin;
            while (now - begin < LullPolicy.MostTicks)
            {
                int found = Libc.EpollWait(_epoll, events, MaxEvents, 0);
                if (found != 0)
                {
                    _lull.NotePoll(found: true);
                    return found;
                }
                // Whoever else wants this processor has it first.
                Thread.Yield();
                now = Stopwatch.GetTimestamp();
            }
            _lull.NotePoll(found: false);
            begin = now;
        }
        int count = Libc.EpollWait(_epoll, events, MaxEvents, -1);
        if (s_mayPoll)
        {
            _lull.NoteSleep(Stopwatch.GetTimestamp() - begin);
        }
        return count;
    }

    private void DrainPosted()
    {
        ulong counter;
        _ = Libc.Read(_wake, &counter, sizeof(ulong));
        while (_posted.TryDequeue(out IReactorWork? work))
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
        foreach (IReactorWork work in _running)
        {
            _turnLeft = TurnBudget;
            work.OnReady();
        }
        _running.Clear();
    }

    private void Control(int operation, SafeFd fd, uint events, ulong token)
    {
        var change = new EpollEvent { Events = events, Data = token };
        if (Libc.EpollCtl(_epoll, operation, fd, &change) < 0)
        {
            throw Failure("epoll_ctl", Errno.Last);
        }
    }

    private static SafeFd Own(int fd, string call) => fd >= 0 ? new SafeFd(fd) : throw Failure(call, Errno.Last);

    private static ChannelException Failure(string call, int errno) => new(
        ChannelError.TransportFailed, ErrorClass.Retry, $"The I/O thread's {call} failed: {Errno.Describe(errno)}.");
}
