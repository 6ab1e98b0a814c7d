using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Runtime.Tests;

/// <summary>The parts of a channel, each without the others' work: callbacks, faults, status and events.</summary>
public class CorePartsTests
{
    private readonly HandClock _clock = new();
    private readonly ChannelCore _core;

    public CorePartsTests() => (_core, _) = CoreOfASession.New(new ChannelOptions { EventBacklog = 2 }, _clock);

    private ISessionEvents Session => _core.Status;

    [Fact]
    public void Callbacks_run_in_order_outside_of_the_lock_and_those_that_they_defer_run_too()
    {
        List<int> order = [];
        _core.Callbacks.Defer(new Callback(() =>
        {
            order.Add(1);
            _core.Callbacks.Defer(new Callback(() => order.Add(3)));
        }));
        _core.Callbacks.Defer(new Callback(() => order.Add(_core.Gate.IsHeldByCurrentThread ? -1 : 2)));
        _core.Callbacks.Run();
        Assert.Equal([1, 2, 3], order);
    }

    [Fact]
    public async Task A_callback_that_throws_is_told_and_the_next_one_runs()
    {
        var events = _core.Events.WatchAsync(default).GetAsyncEnumerator();
        var ran = false;
        _core.Callbacks.Defer(new Callback(static () => throw new InvalidOperationException("of a callback")));
        _core.Callbacks.Defer(new Callback(() => ran = true));
        _core.Callbacks.Run();
        Assert.True(ran);
        Assert.True(await events.MoveNextAsync());
        Assert.Equal(ChannelEventKind.Fault, events.Current.Kind);
        Assert.Contains("of a callback", events.Current.Text, StringComparison.Ordinal);
        Assert.Equal(ChannelError.Internal, _core.Status.LastError!.Code);
    }

    [Fact]
    public async Task Failures_that_come_all_the_time_are_told_once_a_second_with_their_number()
    {
        var events = _core.Events.WatchAsync(default).GetAsyncEnumerator();
        for (var i = 0; i < 100; i++)
        {
            _core.Faults.Report("it failed", new IOException("again"));
        }

        _clock.Microseconds += 1_000_000;
        _core.Faults.Report("it failed", new IOException("again"));
        Assert.True(await events.MoveNextAsync());
        Assert.True(await events.MoveNextAsync());
        Assert.Contains("(99 more failures were not told)", events.Current.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watcher_that_does_not_read_loses_the_oldest_events_and_hears_how_many()
    {
        var events = _core.Events.WatchAsync(default).GetAsyncEnumerator();
        for (var i = 0; i < 5; i++)
        {
            _core.Events.Publish(ChannelEventKind.LinkLost, ChannelError.LinkLost, $"{i}");
        }

        _core.Events.Complete();
        List<string> texts = [];
        while (await events.MoveNextAsync())
        {
            texts.Add(events.Current.Text);
        }

        Assert.Equal(["3 events were dropped before this one", "3", "4"], texts);
    }

    [Fact]
    public void The_state_follows_the_link_and_the_session()
    {
        Assert.Equal((ChannelState.New, LinkState.Closed), State());
        _core.Status.Start();
        Assert.Equal((ChannelState.Opening, LinkState.Opening), State());
        _core.Status.OnLink(new PeerIdentity("test", "peer"));
        Assert.Equal((ChannelState.Handshake, LinkState.Handshake), State());
        Session.OnEstablished(resumed: false);
        Assert.Equal((ChannelState.Up, LinkState.Up), State());
        Assert.True(_core.Status.Ready.IsCompletedSuccessfully);
        Session.OnLinkLost(ChannelError.LinkLost, "gone");
        Assert.Equal((ChannelState.Handshake, LinkState.Handshake), State());
        Assert.False(_core.Status.Ready.IsCompleted);
        _core.Status.OnOpening();
        Assert.Equal((ChannelState.Opening, LinkState.Opening), State());
        Assert.Throws<InvalidOperationException>(_core.Status.Start);
    }

    [Fact]
    public void Nothing_leads_back_from_a_closed_channel()
    {
        _core.Status.Start();
        var ready = _core.Status.Ready;
        Assert.True(_core.Status.TryClose());
        Assert.False(_core.Status.TryClose());
        foreach (var action in new Action[]
        {
            _core.Status.OnOpening, () => _core.Status.OnLink(default), () => Session.OnEstablished(resumed: true), () => Session.OnLinkLost(ChannelError.LinkLost, ""),
            () => Session.OnSessionLost(ChannelError.SessionLost, ""),
        })
        {
            action();
            Assert.Equal((ChannelState.Closing, LinkState.Closed), State());
        }

        Assert.Equal(ChannelError.SessionClosed, Assert.Throws<ChannelException>(_core.Status.ThrowIfClosed).Code);
        Assert.Equal(ChannelError.SessionClosed, Assert.IsType<ChannelException>(ready.Exception!.InnerException).Code);
        Assert.Throws<ObjectDisposedException>(_core.Status.Start);
        _core.Status.OnClosed();
        Assert.Equal((ChannelState.Closed, LinkState.Closed), State());
    }

    [Fact]
    public void A_heartbeat_keeps_the_last_round_trip_and_ages()
    {
        Session.OnPeerHeartbeat(new Heartbeat(StateWord.Ready, null, 0, TimeSpan.FromMilliseconds(3)));
        _clock.Microseconds += 5_000_000;
        Session.OnPeerHeartbeat(new Heartbeat(StateWord.Ready, null, 0, null));
        _clock.Microseconds += 2_000_000;
        var status = _core.Status.Snapshot();
        Assert.Equal((TimeSpan.FromMilliseconds(3), TimeSpan.FromSeconds(2)), (status.PeerHeartbeat!.Value.RoundTrip, status.HeartbeatAge!.Value));
        Session.OnSessionLost(ChannelError.SessionLost, "gone");
        Assert.Null(_core.Status.Snapshot().PeerHeartbeat);
    }

    private (ChannelState, LinkState) State() => (_core.Status.State, _core.Status.Snapshot().LinkState);

    private sealed class Callback(Action action) : IDeferred
    {
        public void Run() => action();
    }
}
