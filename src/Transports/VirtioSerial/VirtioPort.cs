using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>Whether the host side of a virtio port is there.</summary>
internal enum HostPresence
{
    /// <summary>Nobody is connected on the host side.</summary>
    Absent,
    /// <summary>Somebody is connected.</summary>
    Present,
    /// <summary>The port itself was unplugged; the descriptor is of no use any more.</summary>
    Unplugged,
}

/// <summary>The opened device of a virtio port in the guest. Stays open while hosts come and go.</summary>
internal sealed class VirtioPort : IReactorClient, IDisposable
{
    private static readonly TimeSpan s_safetyPoll = TimeSpan.FromMilliseconds(250);

    private readonly IoReactor _reactor = IoReactor.Shared;
    private readonly ulong _token;
    private readonly WaitForHostOperation _wait;
    private volatile VirtioPortLink? _link;

    private VirtioPort(SafeFd fd, string uri, string path)
    {
        Fd = fd;
        Uri = uri;
        Path = path;
        _wait = new WaitForHostOperation(this);
        _token = _reactor.Register(fd, Linux.EPOLLIN | Linux.EPOLLOUT | Linux.EPOLLRDHUP, this);
    }

    internal SafeFd Fd { get; }

    internal string Uri { get; }

    internal string Path { get; }

    /// <summary>The present link; it gets the edges.</summary>
    internal VirtioPortLink? Link
    {
        get => _link;
        set => _link = value;
    }

    /// <summary>A call saw that the device went; the port must be opened anew.</summary>
    internal bool IsUnplugged { get; set; }

    /// <exception cref="ChannelException">Missing, busy or denied (codes 500-502), or failed (503).</exception>
    internal static VirtioPort Open(string uri, string path)
    {
        int fd = Libc.Open(path, Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC | Linux.O_NOCTTY, 0);
        if (fd < 0)
        {
            int errno = Errno.Last;
            throw Errno.ToException(errno, $"open {path} for", uri, errno switch
            {
                Errno.EBUSY => "A port has one opener at a time: stop the other program in the guest that holds it.",
                Errno.ENOENT => "Give the virtual machine a virtserialport of that name, and load virtio_console.",
                _ => null,
            });
        }
        return Attach(new SafeFd(fd), uri, path);
    }

    /// <summary>Takes over an opened, non-blocking device; disposes of it when that fails.</summary>
    internal static VirtioPort Attach(SafeFd fd, string uri, string path)
    {
        try
        {
            return new VirtioPort(fd, uri, path);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Waits until a host is there (true), or the port is unplugged (false).</summary>
    internal async ValueTask<bool> WaitForHostAsync(CancellationToken cancellationToken)
    {
        ValueTask<int> wait = _wait.StartAsync();
        if (wait.IsCompletedSuccessfully)
        {
            return wait.Result == (int)HostPresence.Present;
        }
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((WaitForHostOperation)state!).Cancel(new OperationCanceledException(token)), _wait);
        // The kernel wakes us when the host comes; the timer is for a wake lost to a snapshot or a driver's bug.
        using var timer = new Timer(
            static state => ((VirtioPort)state!).PollSoon(), this, s_safetyPoll, s_safetyPoll);
        return await wait.ConfigureAwait(false) == (int)HostPresence.Present;
    }

    /// <summary>Asks the kernel now. Waits for nothing.</summary>
    internal unsafe HostPresence CheckHost()
    {
        using var hold = new HandleHold(Fd);
        var poll = new PollFd { Fd = (int)Fd.DangerousGetHandle(), Events = Linux.POLLIN | Linux.POLLOUT };
        int status;
        do
        {
            status = Libc.Poll(&poll, 1, 0);
        }
        while (status < 0 && Errno.Last == Errno.EINTR);
        return status < 0 ? throw Errno.ToException(Errno.Last, "poll", Uri) : Classify(poll.Result);
    }

    /// <summary>
    /// The driver's answers: host absent is IN+HUP (its reads give 0), unplugged is HUP alone, and without HUP a
    /// host is there, whether or not there are bytes or space.
    /// </summary>
    internal static HostPresence Classify(short poll)
    {
        if ((poll & (Linux.POLLNVAL | Linux.POLLERR)) != 0)
        {
            return HostPresence.Unplugged;
        }
        if ((poll & Linux.POLLHUP) == 0)
        {
            return HostPresence.Present;
        }
        return (poll & Linux.POLLIN) != 0 ? HostPresence.Absent : HostPresence.Unplugged;
    }

    public void OnEvents(uint events)
    {
        _wait.OnReady();
        _link?.OnEvents(events);
    }

    public void Dispose()
    {
        _link?.Abort();
        _wait.Close();
        _reactor.Unregister(Fd, _token);
        Fd.Dispose();
    }

    private void PollSoon() => _reactor.Post(_wait);

    private sealed class WaitForHostOperation(VirtioPort port) : FdOperation(IoReactor.Shared)
    {
        internal ValueTask<int> StartAsync()
        {
            ThrowIfWaiting();
            return base.StartAsync();
        }

        protected override int Try()
        {
            HostPresence presence = port.CheckHost();
            return presence == HostPresence.Absent ? WouldBlock : (int)presence;
        }

        protected override ChannelException ClosedError() => new(ChannelError.TransportFailed, ErrorClass.Refused,
            $"Waiting for the host on {port.Uri} ended: the endpoint was disposed of.");
    }
}
