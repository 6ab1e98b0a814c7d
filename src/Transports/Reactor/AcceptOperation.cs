using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Reactor;

/// <summary>Accepts on a listening socket, one connection a call; registers the socket and lets it go at the end.</summary>
internal sealed class AcceptOperation : FdOperation, IReactorClient, IDisposable
{
    /// <summary>The wait when the process or the kernel lacks what a connection needs.</summary>
    internal static readonly TimeSpan ShortagePause = TimeSpan.FromMilliseconds(100);

    private readonly SafeFd _fd;
    private readonly string _uri;
    private readonly Func<int, ChannelException> _error;
    private readonly ForeignCloser? _closer;
    private readonly ulong _token;

    /// <summary>What <see cref="Try"/> gives for it: no descriptor that a process can have.</summary>
    private const int Shortage = int.MaxValue;

    /// <summary>Registers a listening, non-blocking socket.</summary>
    /// <param name="fd">The socket; its owner closes it after this is disposed of.</param>
    /// <param name="uri">Where it listens, for error texts.</param>
    /// <param name="error">The error of a failed accept, from its errno.</param>
    /// <param name="closer">Closes the connections, if open files may come through them.</param>
    internal AcceptOperation(SafeFd fd, string uri, Func<int, ChannelException> error, ForeignCloser? closer = null) : base(IoReactor.Shared)
    {
        (_fd, _uri, _error, _closer) = (fd, uri, error, closer);
        _token = Reactor.Register(fd, Abi.EPOLLIN, this);
    }

    /// <summary>
    /// The next connection, non-blocking and closed on exec. A failed connection is skipped, and a shortage of descriptors or memory
    /// waited for: neither ends a listener.
    /// </summary>
    internal async ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken)
    {
        ThrowIfWaiting();
        int fd;
        while ((fd = await AcceptOnceAsync(cancellationToken).ConfigureAwait(false)) == Shortage)
        {
            await Task.Delay(ShortagePause, cancellationToken).ConfigureAwait(false);
        }

        return _closer is null ? new SafeFd(fd) : new ForeignFd(fd, _closer);
    }

    private async ValueTask<int> AcceptOnceAsync(CancellationToken cancellationToken)
    {
        var accept = StartAsync();
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((AcceptOperation)state!).Cancel(new OperationCanceledException(token)), this);
        return await accept.ConfigureAwait(false);
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
            var fd = SocketCalls.Accept4(_fd, null, null, Abi.SOCK_NONBLOCK | Abi.SOCK_CLOEXEC);
            if (fd >= 0)
            {
                return fd;
            }

            switch (Errno.Last)
            {
                case Errno.EAGAIN:
                    return WouldBlock;
                case Errno.EINTR or Errno.ECONNABORTED or Errno.EPERM or Errno.EPROTO or Errno.ENETDOWN or Errno.ENETUNREACH
                    or Errno.EHOSTDOWN or Errno.EHOSTUNREACH:
                    // The next connection has failed already (accept(2), "Error handling").
                    continue;
                case Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.ENOBUFS:
                    return Shortage;
                default:
                    throw _error(Errno.Last);
            }
        }
    }

    protected override ChannelException ClosedError() => new(ChannelError.TransportFailed, ErrorClass.Refused,
        $"accepting on {_uri} ended: the endpoint was disposed of");
}
