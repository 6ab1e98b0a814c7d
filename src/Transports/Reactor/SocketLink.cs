using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Reactor;

/// <summary>A connected stream socket.</summary>
/// <remarks>
/// The peer's every read would be an edge of free space, a wake for nothing in a ping-pong. So space is armed when
/// a send has to wait, and disarmed by the first edge without a waiting send.
/// </remarks>
internal sealed class SocketLink : FdLink, IHalfClose, IDescriptorLink
{
    private const uint WithoutSpace = Abi.EPOLLIN | Abi.EPOLLRDHUP;
    private const uint WithSpace = WithoutSpace | Abi.EPOLLOUT;

    // Open files may come through a Unix socket only, whose descriptor says who closes them.
    private readonly ForeignCloser? _closer;
    private readonly Lock _armGate = new();
    private ulong _token;
    private bool _spaceArmed;
    private bool _drained;

    public bool EndsBothWays { get; }

    private SocketLink(SafeFd fd, IoReactor reactor, PeerIdentity peer, bool endsBothWays) : base(fd, reactor, peer) =>
        (EndsBothWays, _closer) = (endsBothWays, (fd as ForeignFd)?.Closer);

    /// <summary>Takes over a connected socket; disposes of it when that fails.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="peer">The peer's identity.</param>
    /// <param name="endsBothWays">
    /// Whether a peer that sends no more is gone. TCP does not tell a closed peer from a peer that has shut down its sending
    /// until a send has failed.
    /// </param>
    internal static SocketLink Attach(SafeFd fd, PeerIdentity peer, bool endsBothWays = false)
    {
        try
        {
            var reactor = IoReactor.Shared;
            var link = new SocketLink(fd, reactor, peer, endsBothWays);
            lock (link._armGate)
            {
                link._token = reactor.Register(fd, WithoutSpace, link);
            }

            return link;
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void CompleteSend()
    {
        lock (_armGate)
        {
            if (!IsClosed)
            {
                _ = SocketCalls.Shutdown(Fd, Abi.SHUT_WR);
            }
        }
    }

    /// <inheritdoc/>
    public SafeFd Detach()
    {
        ObjectDisposedException.ThrowIf(!TryClose(), this);
        lock (_armGate)
        {
            Reactor.Unregister(Fd, _token);
            return Fd;
        }
    }

    /// <inheritdoc/>
    public unsafe bool IsGone
    {
        get
        {
            try
            {
                using var hold = new HandleHold(Fd);
                var poll = new PollFd { Fd = (int)Fd.DangerousGetHandle() };
                return DescriptorCalls.Poll(&poll, 1, 0) > 0 && (poll.Result & (Abi.POLLHUP | Abi.POLLERR)) != 0;
            }
            catch (ObjectDisposedException)
            {
                return true;
            }
        }
    }

    // A short read of a stream socket leaves it empty, and later bytes make an edge. A hang-up that came together
    // with the bytes makes no edge of its own. (A peer that sends descriptors or urgent data gets short reads with
    // more behind them: it delays itself until its next bytes.)
    private protected override bool IsDrained => _drained && !SawHangUp;

    private protected override unsafe int TryReceive(Span<byte> buffer)
    {
        while (true)
        {
            nint received;
            fixed (byte* start = buffer)
            {
                received = _closer is null ? SocketCalls.Recv(Fd, start, (nuint)buffer.Length, Abi.MSG_DONTWAIT) : ReceiveWithoutFiles(start, buffer.Length, _closer);
            }

            if (received >= 0)
            {
                _drained = received < buffer.Length;
                Ended |= received == 0 && EndsBothWays;
                return (int)received;
            }

            switch (Errno.Last)
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    _drained = true;
                    return -1;
                case Errno.ECONNRESET or Errno.ENOTCONN:
                    // The other side closed with bytes of ours unread, or a vsock device went: an ordinary end.
                    return 0;
                default:
                    throw Failed("receive", Errno.Last);
            }
        }
    }

    /// <summary>
    /// Receives bytes. Open files that come with them have no place in a link: the kernel would close them here and now, which the
    /// peer can make take any time, so they are taken and given to the closer.
    /// </summary>
    private unsafe nint ReceiveWithoutFiles(byte* start, int length, ForeignCloser closer)
    {
        var control = stackalloc byte[ControlMessages.Room];
        var vector = new IoVector { Start = start, Length = (nuint)length };
        var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlMessages.Room };
        var received = SocketCalls.RecvMsg(Fd, &message, Abi.MSG_DONTWAIT | Abi.MSG_CMSG_CLOEXEC);
        if (received >= 0 && message.ControlLength > 0)
        {
            var files = new List<SafeFd>();
            ControlMessages.ReceiveFiles(control, message.ControlLength, closer, files);
            files.ForEach(static file => file.Dispose());
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Fatal,
                $"the other side of {Peer} sent {files.Count} open files, which a link does not take");
        }

        return received;
    }

    private protected override unsafe int TrySend(ReadOnlySpan<byte> buffer)
    {
        if (Ended)
        {
            throw PeerGone();
        }

        while (true)
        {
            nint sent;
            fixed (byte* start = buffer)
            {
                sent = SocketCalls.Send(Fd, start, (nuint)buffer.Length, Abi.MSG_NOSIGNAL | Abi.MSG_DONTWAIT);
            }

            if (sent >= 0)
            {
                return (int)sent;
            }

            switch (Errno.Last)
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return -1;
                case Errno.EPIPE or Errno.ECONNRESET or Errno.ENOTCONN:
                    throw PeerGone();
                default:
                    throw Failed("send", Errno.Last);
            }
        }
    }

    private protected override void OnSendWaits()
    {
        lock (_armGate)
        {
            // Arming reports space that is there already, so none is missed.
            if (!_spaceArmed && !IsClosed)
            {
                _spaceArmed = true;
                Reactor.Modify(Fd, WithSpace, _token);
            }
        }
    }

    private protected override void OnUnwantedSpace()
    {
        lock (_armGate)
        {
            if (_spaceArmed && !IsClosed && !IsSending)
            {
                _spaceArmed = false;
                Reactor.Modify(Fd, WithoutSpace, _token);
            }
        }
    }

    private protected override void Release()
    {
        lock (_armGate)
        {
            Reactor.Unregister(Fd, _token);
            (Fd as ForeignFd)?.EndSocket();
            Fd.Dispose();
        }
    }
}
