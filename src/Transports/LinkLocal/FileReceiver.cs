using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Receives the one descriptor that a program hands over through a connected Unix socket.</summary>
internal sealed class FileReceiver : FdOperation, IReactorClient, IDisposable
{
    private readonly ForeignFd _fd;
    private readonly string _uri;
    private readonly List<SafeFd> _files = [];
    private readonly ulong _token;

    internal FileReceiver(ForeignFd fd, string uri) : base(IoReactor.Shared)
    {
        (_fd, _uri) = (fd, uri);
        _token = Reactor.Register(fd, Abi.EPOLLIN | Abi.EPOLLRDHUP, this);
    }

    internal async ValueTask<SafeFd> ReceiveAsync(CancellationToken cancellationToken)
    {
        var receive = StartAsync();
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((FileReceiver)state!).Cancel(new OperationCanceledException(token)), this);
        await receive.ConfigureAwait(false);
        var file = _files[0];
        _files.RemoveAt(0);
        return file;
    }

    public void OnEvents(uint events) => OnReady();

    public void Dispose()
    {
        Close();
        Reactor.Unregister(_fd, _token);
        _files.ForEach(file => file.Dispose());
    }

    protected override unsafe int Try()
    {
        var control = stackalloc byte[ControlMessages.Room];
        byte data;
        var vector = new IoVector { Start = &data, Length = 1 };
        while (true)
        {
            var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlMessages.Room };
            if (SocketCalls.RecvMsg(_fd, &message, Abi.MSG_CMSG_CLOEXEC | Abi.MSG_DONTWAIT) >= 0)
            {
                ControlMessages.ReceiveFiles(control, message.ControlLength, _fd.Closer, _files);
                return _files.Count > 0 && IsStreamSocket(_files[0]) ? 0 : throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry,
                    $"what connected to {_uri} handed no connection over; only channel-forward, which QEMU starts, may connect there");
            }

            switch (Errno.Last)
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return WouldBlock;
                default:
                    throw EndpointFault.ToException(Errno.Last, "receive a connection on", _uri);
            }
        }
    }

    /// <summary>Another kind of file could hold the I/O thread up.</summary>
    private static unsafe bool IsStreamSocket(SafeFd file)
    {
        var type = 0;
        uint length = sizeof(int);
        return SocketCalls.GetSockOpt(file, Abi.SOL_SOCKET, Abi.SO_TYPE, &type, &length) == 0 && type == Abi.SOCK_STREAM;
    }

    protected override ChannelException ClosedError() => new(
        ChannelError.TransportFailed, ErrorClass.Refused, $"receiving on {_uri} ended: the endpoint was disposed of");
}
