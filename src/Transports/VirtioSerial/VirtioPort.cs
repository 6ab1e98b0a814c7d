using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>Whether the host side of a virtio port is there.</summary>
internal enum HostPresence
{
    /// <summary>The host side is not connected.</summary>
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
        _token = _reactor.Register(fd, Abi.EPOLLIN | Abi.EPOLLOUT | Abi.EPOLLRDHUP, this);
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

    /// <summary>A call saw that the device has gone; the port must be opened again.</summary>
    internal bool IsUnplugged { get; set; }

    /// <exception cref="ChannelException">Missing, busy or denied (<see cref="ChannelError.EndpointMissing"/> to <see cref="ChannelError.EndpointBusy"/>), or failed (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal static VirtioPort Open(string uri, string path)
    {
        var fd = FileCalls.Open(path, Abi.O_RDWR | Abi.O_NONBLOCK | Abi.O_CLOEXEC | Abi.O_NOCTTY, 0);
        if (fd < 0)
        {
            var errno = Errno.Last;
            throw EndpointFault.ToException(errno, $"open {path} for", uri, errno switch
            {
                Errno.EBUSY => "a port has one opener at a time; stop the other program in the guest that holds it",
                Errno.ENOENT => "give the virtual machine a virtserialport of that name, and load virtio_console",
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
        var wait = _wait.StartAsync();
        if (wait.IsCompletedSuccessfully)
        {
            return wait.Result == (int)HostPresence.Present;
        }

        using var registration = cancellationToken.UnsafeRegister(
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
        var poll = new PollFd { Fd = (int)Fd.DangerousGetHandle(), Events = Abi.POLLIN | Abi.POLLOUT };
        int status;
        do
        {
            status = DescriptorCalls.Poll(&poll, 1, 0);
        }
        while (status < 0 && Errno.Last == Errno.EINTR);
        return status < 0 ? throw EndpointFault.ToException(Errno.Last, "poll", Uri) : Classify(poll.Result);
    }

    /// <summary>
    /// The driver's answers: host absent is IN+HUP (its reads give 0), unplugged is HUP alone, and without HUP a
    /// host is there, whether or not there are bytes or space.
    /// </summary>
    internal static HostPresence Classify(short poll)
    {
        if ((poll & (Abi.POLLNVAL | Abi.POLLERR)) != 0)
        {
            return HostPresence.Unplugged;
        }

        if ((poll & Abi.POLLHUP) == 0)
        {
            return HostPresence.Present;
        }

        return (poll & Abi.POLLIN) != 0 ? HostPresence.Absent : HostPresence.Unplugged;
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
            var presence = port.CheckHost();
            return presence == HostPresence.Absent ? WouldBlock : (int)presence;
        }

        protected override ChannelException ClosedError() => new(ChannelError.TransportFailed, ErrorClass.Refused,
            $"waiting for the host on {port.Uri} ended: the endpoint was disposed of");
    }
}
