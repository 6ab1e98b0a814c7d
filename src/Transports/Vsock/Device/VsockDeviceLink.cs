using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>A connection of the guest as a link: no socket in between, its calls work on the guest's rings.</summary>
internal sealed class VsockDeviceLink : ITransportLink, IVsockUser, IHalfClose
{
    private readonly DeviceCore _core;
    private readonly ReceiveOperation _receive;
    private readonly SendOperation _send;
    private readonly TaskCompletionSource<bool> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private VsockConnection _connection = null!;
    private int _closed;

    internal VsockDeviceLink(DeviceCore core, IoReactor reactor, PeerIdentity peer)
    {
        _core = core;
        Peer = peer;
        _receive = new ReceiveOperation(this, reactor);
        _send = new SendOperation(this, reactor);
    }

    public PeerIdentity Peer { get; }

    public bool IsGone => _connection.CannotSend;

    public bool IsReceiving => _receive.IsWaiting;

    /// <summary>Ends when the guest has answered a connection that we asked for: whether it accepted.</summary>
    internal Task<bool> Answered => _answered.Task;

    /// <summary>The host's port of the connection.</summary>
    internal uint HostPort => _connection.HostPort;

    /// <summary>Whether the guest has ended it and left nothing to read.</summary>
    internal bool IsDead => _connection is { State: VsockState.Closed, Incoming.Count: 0 };

    /// <summary>Sets what the link is for, under the core's lock.</summary>
    internal void Bind(VsockConnection connection) => _connection = connection;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _receive.StartAsync(buffer);

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => _send.StartAsync(buffer);

    public void CompleteSend() => _core.WithRouter(router =>
    {
        router.CompleteSend(_connection);
        return true;
    });

    public void Abort()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _receive.Close();
        _send.Close();
        _core.WithRouter(router =>
        {
            router.Leave(_connection);
            return true;
        });
    }

    public ValueTask DisposeAsync()
    {
        Abort();
        return ValueTask.CompletedTask;
    }

    public void OnReadable() => _receive.Schedule();

    public void OnWritable()
    {
        if (_connection.State != VsockState.Requested)
        {
            _answered.TrySetResult(_connection.State == VsockState.Established);
        }

        _send.Schedule();
    }

    private ChannelException Aborted() => new(
        ChannelError.LinkLost, ErrorClass.Fatal, $"the link to {Peer} was ended by this side");

    private sealed class ReceiveOperation(VsockDeviceLink link, IoReactor reactor) : FdOperation(reactor)
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
            return StartAsync();
        }

        internal void Schedule() => Reactor.Schedule(this);

        protected override int Try() => link._core.Receive(link._connection, _buffer.Span);

        protected override void OnFinished() => _buffer = default;

        protected override ChannelException ClosedError() => link.Aborted();
    }

    private sealed class SendOperation(VsockDeviceLink link, IoReactor reactor) : FdOperation(reactor)
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

        internal void Schedule() => Reactor.Schedule(this);

        protected override int Try()
        {
            var sent = link._core.Send(link._connection, _buffer.Span);
            return sent != 0 ? sent : throw new ChannelException(
                ChannelError.LinkLost, ErrorClass.Fatal, $"the other side of {link.Peer} has gone");
        }

        protected override void OnFinished() => _buffer = default;

        protected override ChannelException ClosedError() => link.Aborted();
    }
}
