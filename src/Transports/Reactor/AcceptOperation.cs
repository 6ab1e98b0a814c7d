using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.Reactor;

/// <summary>Accepts on a listening socket, one connection a call; registers the socket and lets it go at the end.</summary>
internal sealed class AcceptOperation : FdOperation, IReactorClient, IDisposable
{
    private readonly SafeFd _fd;
    private readonly string _uri;
    private readonly Func<int, ChannelException> _error;
    private readonly ForeignCloser? _closer;
    private readonly ulong _token;

    /// <summary>Registers a listening, non-blocking socket.</summary>
    /// <param name="fd">The socket; its owner closes it after this is disposed of.</param>
    /// <param name="uri">Where it listens, for error texts.</param>
    /// <param name="error">The error of a failed accept, from its errno.</param>
    /// <param name="closer">Closes the connections, if open files may come through them.</param>
    internal AcceptOperation(SafeFd fd, string uri, Func<int, ChannelException> error, ForeignCloser? closer = null) : base(IoReactor.Shared)
    {
        (_fd, _uri, _error, _closer) = (fd, uri, error, closer);
        _token = Reactor.Register(fd, Linux.EPOLLIN, this);
    }

    /// <summary>The next connection, non-blocking and closed on exec.</summary>
    internal async ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken)
    {
        ThrowIfWaiting();
        ValueTask<int> accept = StartAsync();
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((AcceptOperation)state!).Cancel(new OperationCanceledException(token)), this);
        int fd = await accept.ConfigureAwait(false);
        return _closer is null ? new SafeFd(fd) : new ForeignFd(fd, _closer);
    }

    public void OnEvents(uint events) => OnReady();

    public void Dispose()
    {
        Close();
        Reactor.Unregister(_fd, _token);
    }

    protected override unsafe int Try()
    {
        while (true)
        {
            int fd = Libc.Accept4(_fd, null, null, Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC);
            if (fd >= 0)
            {
                return fd;
            }
            switch (Errno.Last)
            {
                case Errno.EAGAIN:
                    return WouldBlock;
                case Errno.EINTR or Errno.ECONNABORTED:
                    continue;
                default:
                    throw _error(Errno.Last);
            }
        }
    }

    protected override ChannelException ClosedError() => new(ChannelError.TransportFailed, ErrorClass.Refused,
        $"Accepting on {_uri} ended: the endpoint was disposed of.");
}
