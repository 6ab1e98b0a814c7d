using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Reactor;

/// <summary>A link over one descriptor: a stream socket of its own, or a virtio port that its endpoint keeps open.</summary>
internal abstract class FdLink : ITransportLink, IReactorClient
{
    private readonly ReceiveOperation _receive;
    private readonly SendOperation _send;
    private int _closed;
    private volatile bool _sawHangUp;

    private protected FdLink(SafeFd fd, IoReactor reactor, PeerIdentity peer)
    {
        Fd = fd;
        Reactor = reactor;
        Peer = peer;
        _receive = new ReceiveOperation(this);
        _send = new SendOperation(this);
    }

    public PeerIdentity Peer { get; }

    private protected SafeFd Fd { get; }

    private protected IoReactor Reactor { get; }

    /// <summary>The other side of this link has gone, even if a new one has connected by now.</summary>
    private protected bool Ended { get; set; }

    /// <summary>An edge said that the other side closes; once true it stays so.</summary>
    private protected bool SawHangUp => _sawHangUp;

    internal bool IsClosed => Volatile.Read(ref _closed) != 0;

    internal bool IsSending => _send.IsWaiting;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _receive.StartAsync(buffer);

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => _send.StartAsync(buffer);

    public void Abort()
    {
        if (TryClose())
        {
            Release();
        }
    }

    public ValueTask DisposeAsync()
    {
        Abort();
        return ValueTask.CompletedTask;
    }

    public void OnEvents(uint events)
    {
        const uint gone = Abi.EPOLLHUP | Abi.EPOLLERR;
        if ((events & (gone | Abi.EPOLLRDHUP)) != 0)
        {
            _sawHangUp = true;
        }

        if ((events & (gone | Abi.EPOLLRDHUP | Abi.EPOLLIN)) != 0)
        {
            _receive.OnReady();
        }

        if ((events & (gone | Abi.EPOLLOUT)) != 0)
        {
            if ((events & gone) == 0 && !IsSending)
            {
                OnUnwantedSpace();
            }

            _send.OnReady();
        }
    }

    /// <summary>Receives once: bytes, 0 for the end, -1 for would block.</summary>
    private protected abstract int TryReceive(Span<byte> buffer);

    /// <summary>Sends once: bytes, -1 for would block; throws when the other side has gone.</summary>
    private protected abstract int TrySend(ReadOnlySpan<byte> buffer);

    /// <summary>Whether nothing is left to receive unless an edge comes.</summary>
    private protected virtual bool IsDrained => false;

    /// <summary>A send waits for space.</summary>
    private protected virtual void OnSendWaits()
    {
    }

    /// <summary>An edge told of space that no send waits for.</summary>
    private protected virtual void OnUnwantedSpace()
    {
    }

    /// <summary>Ends what is under way and what comes. False: it was done before.</summary>
    private protected bool TryClose()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return false;
        }

        _receive.Close();
        _send.Close();
        return true;
    }

    /// <summary>Lets the descriptor go, once.</summary>
    private protected abstract void Release();

    private protected ChannelException PeerGone() => new(
        ChannelError.LinkLost, ErrorClass.Fatal, $"the other side of {Peer} has gone");

    private protected ChannelException Failed(string call, int errno) => new(
        ChannelError.TransportFailed, ErrorClass.Fatal, $"the {call} on {Peer} failed: {Errno.Describe(errno)}");

    private ChannelException Aborted() => new(
        ChannelError.LinkLost, ErrorClass.Fatal, $"the link to {Peer} was ended by this side");

    private sealed class ReceiveOperation(FdLink link) : FdOperation(link.Reactor)
    {
        private Memory<byte> _buffer;

        internal ValueTask<int> StartAsync(Memory<byte> buffer)
        {
            if (buffer.IsEmpty)
            {
                throw new ArgumentException("receiving needs a buffer of at least one byte", nameof(buffer));
            }

            ThrowIfWaiting();
            _buffer = buffer;
            return StartAsync(link.IsDrained);
        }

        protected override int Try() => link.TryReceive(_buffer.Span);

        protected override void OnFinished() => _buffer = default;

        protected override ChannelException ClosedError() => link.Aborted();
    }

    private sealed class SendOperation(FdLink link) : FdOperation(link.Reactor)
    {
        private ReadOnlyMemory<byte> _buffer;

        internal ValueTask<int> StartAsync(ReadOnlyMemory<byte> buffer)
        {
            if (buffer.IsEmpty)
            {
                throw new ArgumentException("sending needs at least one byte", nameof(buffer));
            }

            ThrowIfWaiting();
            _buffer = buffer;
            return StartAsync();
        }

        protected override int Try() => link.TrySend(_buffer.Span);

        protected override void OnWaiting() => link.OnSendWaits();

        protected override void OnFinished() => _buffer = default;

        protected override ChannelException ClosedError() => link.Aborted();
    }
}
