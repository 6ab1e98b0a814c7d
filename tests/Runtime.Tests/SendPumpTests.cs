using ChannelSdk.Channels;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The sender alone: a link that its test ends by hand, and the session's own HELLO as what there is to send.</summary>
public sealed class SendPumpTests : IDisposable
{
    private readonly ChannelCore _core;
    private readonly SessionEngine _session;
    private readonly HeldLink _link = new();

    public SendPumpTests() => (_core, _session) = CoreOfASession.New(new ChannelOptions(), TimeProvider.System);

    [Fact]
    public void Without_a_link_nothing_is_sent()
    {
        _session.Sender.Flush();
        Assert.Empty(_link.Sends);
    }

    [Fact]
    public void One_send_is_under_way_at_a_time_and_the_rest_follows()
    {
        Attach();
        _session.Sender.Flush();
        _session.Sender.Flush();
        var length = Assert.Single(_link.Sends).Length;
        _link.End(sent: 10);
        Assert.Equal([length, length - 10], _link.Sends.Select(static send => send.Length));
        _link.End(sent: length - 10);
        Assert.Equal((2, length), (_link.Sends.Count, (int)_session.BytesOut));
    }

    [Fact]
    public void The_pump_is_idle_once_the_send_under_way_has_ended_and_nothing_is_left()
    {
        Attach();
        _session.Sender.Flush();
        var idle = _session.Sender.WhenIdle();
        _session.Sender.Flush();
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
        _session.Sender.Flush();
        if (sentTooMuch)
        {
            _link.End(sent: _link.Sends[0].Length + 1);
        }
        else
        {
            _link.Fail(new IOException("of the send"));
        }

        var idle = _session.Sender.WhenIdle();
        _session.Sender.Flush();
        Assert.True(idle.Task.IsCompletedSuccessfully);
        Assert.Single(_link.Sends);
        lock (_core.Gate)
        {
            var error = _session.Link.Detach();
            Assert.IsType(sentTooMuch ? typeof(ArgumentOutOfRangeException) : typeof(IOException), error.InnerException);
            _session.Sender.Detach();
            _session.Session.LinkDown(error.Code, error.Message, _core.Now);
        }

        Attach();
        _session.Sender.Flush();
        Assert.Equal(2, _link.Sends.Count);
    }

    public void Dispose() => _link.Abort();

    private void Attach()
    {
        lock (_core.Gate)
        {
            _session.Link.Attach(_link);
            _session.Sender.Attach();
            _session.Session.LinkUp(_core.Now);
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
