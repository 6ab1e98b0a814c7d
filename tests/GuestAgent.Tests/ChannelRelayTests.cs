using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The way of a guest's clients into the channel.</summary>
public class ChannelRelayTests
{
    [Fact]
    public async Task A_connection_that_cannot_be_accepted_does_not_end_the_relay()
    {
        var log = new AgentLog(_ => { }, TimeProvider.System, withTime: false);
        using var room = new SemaphoreSlim(1);
        using var stop = new CancellationTokenSource();
        var (asked, served) = (0, 0);
        async ValueTask<ITransportLink> NextAsync(CancellationToken token)
        {
            await Task.Yield();
            return ++asked == 1 ? throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, "too many open files") : null!;
        }

        void Serve(ITransportLink link)
        {
            served++;
            stop.Cancel();
        }

        await ChannelRelay.AcceptAsync(NextAsync, Serve, "relay", log, room, stop.Token).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal((2, 1), (asked, served));
    }
}
