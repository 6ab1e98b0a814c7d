using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The sender alone: a link that its test ends by hand, and the session's own HELLO as what there is to send.</summary>
public sealed class SendPumpTests : IDisposable
{
    private readonly ChannelCore _core = new(PeerRole.Host, new ServiceRegistry(), new ChannelOptions(), TimeProvider.System);
    private readonly HeldLink _link = new();

    [Fact]
    public void Without_a_link_nothing_is_sent()
    {
        _core.Sender.Flush();
        Assert.Empty(_link.Sends);
    }

    [Fact]
    public void One_send_is_under_way_at_a_time_and_the_rest_follows()
    {
        Attach();
        _core.Sender.Flush();
        _core.Sender.Flush();
        var length = Assert.Single(_link.Sends).Length;
        _link.End(sent: 10);
        Assert.Equal([length, length - 10], _link.Sends.Select(static send => send.Length));
        _link.End(sent: length - 10);
        Assert.Equal((2, length), (_link.Sends.Count, (int)_core.Status.BytesOut));
    }

    [Fact]
    public void The_pump_is_idle_once_the_send_under_way_has_ended_and_nothing_is_left()
    {
        Attach();
        _core.Sender.Flush();
        var idle = _core.Sender.WhenIdle();
        _core.Sender.Flush();
        Assert.False(idle.Task.IsCompleted);
        _link.End(sent: _link.Sends[0].Length);
        Assert.True(idle.Task.IsCompletedSuccessfully);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void After_a_failed_send_nothing_goes_out_until_the_next_link(bool sentTooMuch)
    {
        Attach();
        _core.Sender.Flush();
        if (sentTooMuch)
        {
            _link.End(sent: _link.Sends[0].Length + 1);
        }
        else
        {
            _link.Fail(new IOException("of the send"));
        }

        var idle = _core.Sender.WhenIdle();
        _core.Sender.Flush();
        Assert.True(idle.Task.IsCompletedSuccessfully);
        Assert.Single(_link.Sends);
        lock (_core.Gate)
        {
            var error = _core.Link.Detach();
            Assert.IsType(sentTooMuch ? typeof(ArgumentOutOfRangeException) : typeof(IOException), error.InnerException);
            _core.Sender.Detach();
            _core.Rpc.Session.LinkDown(error.Code, error.Message, _core.Now);
        }

        Attach();
        _core.Sender.Flush();
        Assert.Equal(2, _link.Sends.Count);
    }

    public void Dispose() => _link.Abort();

    private void Attach()
    {
        lock (_core.Gate)
        {
            _core.Link.Attach(_link);
            _core.Sender.Attach();
            _core.Rpc.Session.LinkUp(_core.Now);
        }
    }

    private sealed class HeldLink : ITransportLink
    {
        private TaskCompletionSource<int> _send = new();

        public List<ReadOnlyMemory<byte>> Sends { get; } = [];

        public PeerIdentity Peer => default;

        public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer)
        {
            Sends.Add(buffer);
            _send = new TaskCompletionSource<int>();
            return new ValueTask<int>(_send.Task);
        }

        public void End(int sent) => _send.SetResult(sent);

        public void Fail(Exception error) => _send.SetException(error);

        public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => throw new NotSupportedException();

        public void Abort()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
