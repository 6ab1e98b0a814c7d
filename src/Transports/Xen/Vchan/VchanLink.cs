using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// A vchan as a link: calls copy between the caller's buffer and the ring, and wait for an event only when there is nothing to
/// copy. The port is unmasked by a call that waits, so events without a waiting call cost nothing.
/// </summary>
internal sealed class VchanLink : FdLink, IReactorClient, IReactorWork, IVchanHold
{
    private readonly VchanArea _area;
    private readonly ArrivalOperation _arrival;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Timer _release;
    private EmptyWakes _emptyWakes;
    private ulong _token;
    private int _isMasked;
    private int _moves;
    private int _movesSeen;
    private volatile bool _isHeld;

    private VchanLink(VchanArea area, PeerIdentity peer) : base(area.Port.Fd, IoReactor.Shared, peer)
    {
        _area = area;
        _arrival = new ArrivalOperation(this);
        _release = new Timer(static state => ((VchanLink)state!).Post(), this, Timeout.Infinite, Timeout.Infinite);
    }

    bool IVchanHold.IsClosed => IsClosed;

    public VchanKeys Keys => _area.Keys;

    public Task Closed => _closed.Task;

    /// <summary>Events that came with nothing, since the link began.</summary>
    internal long EmptyEvents => _emptyWakes.Total;

    /// <summary>Takes over the area; disposes of it when that fails.</summary>
    internal static VchanLink Attach(VchanArea area, PeerIdentity peer)
    {
        try
        {
            var link = new VchanLink(area, peer);
            link._token = link.Reactor.Register(area.Port.Fd, Abi.EPOLLIN, link);
            return link;
        }
        catch
        {
            area.Dispose();
            throw;
        }
    }

    /// <summary>A server waits for its client. True if it came, false if it has gone again.</summary>
    internal async ValueTask<bool> WaitForPeerAsync(CancellationToken cancellationToken)
    {
        var wait = _arrival.StartAsync();
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((ArrivalOperation)state!).Cancel(new OperationCanceledException(token)), _arrival);
        return await wait.ConfigureAwait(false) == VchanLayout.Up;
    }

    public void LosePeer()
    {
        _area.End.LosePeer();
        Post();
    }

    void IReactorClient.OnEvents(uint events)
    {
        try
        {
            if (!_area.Port.Acknowledge())
            {
                return;
            }
        }
        catch (ObjectDisposedException)
        {
            return;
        }

        Volatile.Write(ref _isMasked, 1);
        var moves = Volatile.Read(ref _moves);
        if (moves == _movesSeen && _emptyWakes.IsOneTooMany(Environment.TickCount64))
        {
            // The port stays masked: what the other side raises meanwhile is its own cost.
            _isHeld = true;
            _release.Change(EmptyWakes.HoldMs, Timeout.Infinite);
            return;
        }

        _movesSeen = moves;
        Wake();
    }

    /// <summary>The time without events is over, or the peer was lost.</summary>
    void IReactorWork.OnReady()
    {
        _isHeld = false;
        Wake();
    }

    private protected override int TryReceive(Span<byte> buffer)
    {
        using var hold = new HandleHold(_area);
        var count = _area.End.Receive(buffer, out var wake);
        After(count, wake);
        return count;
    }

    private protected override int TrySend(ReadOnlySpan<byte> buffer)
    {
        using var hold = new HandleHold(_area);
        var count = _area.End.Send(buffer, out var wake);
        After(count, wake);
        return count != 0 ? count : throw PeerGone();
    }

    private protected override void Release()
    {
        Reactor.Unregister(Fd, _token);
        _arrival.Close();
        _release.Dispose();
        _area.Dispose();
        _closed.TrySetResult();
    }

    private void Post() => Reactor.Post(this);

    private void Wake()
    {
        _arrival.OnReady();
        OnEvents(Abi.EPOLLIN | Abi.EPOLLOUT);
    }

    private void After(int count, bool wake)
    {
        if (count == VchanEnd.Wait)
        {
            Unmask();
            return;
        }
        // Only whether it changed since the last event counts, so a lost increment does not matter.
        Volatile.Write(ref _moves, _moves + 1);
        if (wake)
        {
            _area.Port.Notify();
        }
    }

    private void Unmask()
    {
        if (!_isHeld && Interlocked.Exchange(ref _isMasked, 0) != 0)
        {
            _area.Port.Unmask();
        }
    }

    private sealed class ArrivalOperation(VchanLink link) : FdOperation(IoReactor.Shared)
    {
        internal ValueTask<int> StartAsync()
        {
            ThrowIfWaiting();
            return base.StartAsync();
        }

        protected override int Try()
        {
            using var hold = new HandleHold(link._area);
            var live = link._area.End.PeerLive;
            if (live == VchanLayout.NotYet)
            {
                link.Unmask();
                return WouldBlock;
            }

            return live;
        }

        protected override ChannelException ClosedError() => new(ChannelError.LinkLost, ErrorClass.Retry,
            $"waiting for {link.Peer} ended: its keys were withdrawn");
    }
}
