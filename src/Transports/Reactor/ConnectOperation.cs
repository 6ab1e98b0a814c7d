using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Reactor;

/// <summary>Waits until a non-blocking connect that was started has ended.</summary>
internal sealed class ConnectOperation : FdOperation, IReactorClient, IDisposable
{
    private readonly SafeFd _fd;
    private readonly Func<int, ChannelException> _error;
    private readonly ulong _token;

    /// <summary>Registers the socket.</summary>
    /// <param name="fd">A socket whose connect is under way.</param>
    /// <param name="error">The error of a failed connect, from its errno.</param>
    internal ConnectOperation(SafeFd fd, Func<int, ChannelException> error) : base(IoReactor.Shared)
    {
        (_fd, _error) = (fd, error);
        _token = Reactor.Register(fd, Abi.EPOLLOUT, this);
    }

    /// <summary>Ends when the socket is connected.</summary>
    internal async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        var connect = StartAsync();
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((ConnectOperation)state!).Cancel(new OperationCanceledException(token)), this);
        await connect.ConfigureAwait(false);
    }

    public void OnEvents(uint events) => OnReady();

    public void Dispose()
    {
        Close();
        Reactor.Unregister(_fd, _token);
    }

    protected override unsafe int Try()
    {
        using (new HandleHold(_fd))
        {
            var poll = new PollFd { Fd = (int)_fd.DangerousGetHandle(), Events = Abi.POLLOUT };
            if (DescriptorCalls.Poll(&poll, 1, 0) <= 0)
            {
                return WouldBlock;
            }
        }

        var errno = 0;
        uint length = sizeof(int);
        if (SocketCalls.GetSockOpt(_fd, Abi.SOL_SOCKET, Abi.SO_ERROR, &errno, &length) < 0)
        {
            errno = Errno.Last;
        }

        return errno == 0 ? 0 : throw _error(errno);
    }

    protected override ChannelException ClosedError() => new(
        ChannelError.TransportFailed, ErrorClass.Refused, "connecting ended: the endpoint was disposed of");
}
