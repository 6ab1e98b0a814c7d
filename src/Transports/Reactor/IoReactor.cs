using System.Collections.Concurrent;
using System.Diagnostics;
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
    private const int TurnBudget = 512 * 1024;
    internal const int OperationCost = 4096;
    private const ulong WakeToken = ulong.MaxValue;

    // With one processor the other side cannot move while this one polls.
    private static readonly bool s_mayPoll = Environment.ProcessorCount > 1;
    private static readonly Lazy<IoReactor> s_shared = new(() => new IoReactor());

    private readonly EpollSet _epoll;
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
        ulong one = 1;
        // EAGAIN means that the counter is at its maximum, so a wake is pending anyway.
        _ = DescriptorCalls.Write(_wake, &one, sizeof(ulong));
    }

    private void Run()
    {
        while (true)
        {
            var count = _soon.Count > 0 ? _epoll.Wait(0) : WaitForEvents();
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

            RunQueued();
        }
    }

    private int WaitForEvents()
    {
        var begin = Stopwatch.GetTimestamp();
        if (_lull.IsWorthPolling)
        {
            var now = begin;
            while (now - begin < LullPolicy.MostTicks)
            {
                var found = _epoll.Wait(0);
                if (found != 0)
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

        var count = _epoll.Wait(Timeout.Infinite);
        if (s_mayPoll)
        {
            _lull.NoteSleep(Stopwatch.GetTimestamp() - begin);
        }

        return count;
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
