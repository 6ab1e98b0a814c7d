using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.HostEndpoint.Tests;

public class DiagnosisTests
{
    private static readonly ChannelException s_noSocket = new(ChannelError.EndpointMissing, ErrorClass.Retry, "cannot dial /run/vm1.sock");
    private static readonly MachineFacts s_running = new("running", TimeSpan.FromHours(1), false);

    [Fact]
    public void A_missing_channel_was_never_connected_and_a_lost_one_is_dead()
    {
        var never = Diagnostician.Judge(Unconnected(Reachability.NeverConnected, LinkState.Opening, s_noSocket));
        Assert.Equal(Condition.NeverConnected, never.Condition);
        Assert.Contains("/run/vm1.sock", never.Text);
        Assert.Equal(Condition.Dead, Diagnostician.Judge(Unconnected(Reachability.LinkLost, LinkState.Opening, s_noSocket)).Condition);
    }

    [Fact]
    public void A_socket_whose_program_serves_another_client_is_in_use_until_the_channel_is_open()
    {
        var busy = new ChannelException(ChannelError.EndpointBusy, ErrorClass.Retry, "nobody accepts the connection to /run/vm1.sock");
        foreach (var machine in new[] { null, s_running, s_running with { IsPortOpen = true } })
        {
            Assert.Equal(Condition.InUse, Diagnostician.Judge(Unconnected(Reachability.NeverConnected, LinkState.Opening, busy), machine).Condition);
        }

        Assert.Equal(Condition.DriverOrAgentMissing, Diagnostician.Judge(Unconnected(Reachability.NeverConnected, LinkState.Handshake, busy)).Condition);
    }

    [Fact]
    public void An_open_channel_without_an_answer_is_told_apart_by_the_machines_monitor()
    {
        var silent = Unconnected(Reachability.NeverConnected, LinkState.Handshake);
        Assert.Equal(Condition.DriverOrAgentMissing, Diagnostician.Judge(silent).Condition);
        Assert.Equal(Condition.DriverOrAgentMissing, Diagnostician.Judge(silent, s_running).Condition);
        Assert.Contains("add the virtserialport device", Diagnostician.Judge(silent, s_running with { IsPortOpen = null }).Text);
        Assert.Equal(Condition.AgentSilent, Diagnostician.Judge(silent, s_running with { IsPortOpen = true }).Condition);
        Assert.Equal(Condition.Booting, Diagnostician.Judge(silent, s_running with { Uptime = TimeSpan.FromSeconds(9) }).Condition);
        Assert.Equal(Condition.AgentSilent, Diagnostician.Judge(silent with { Reachability = Reachability.LinkLost }, s_running).Condition);
    }

    [Theory]
    [InlineData("paused", Condition.Paused)]
    [InlineData("inmigrate", Condition.Paused)]
    [InlineData("shutdown", Condition.Dead)]
    [InlineData("guest-panicked", Condition.Dead)]
    [InlineData("gone", Condition.Dead)]
    public void The_monitors_state_goes_before_the_guests(string state, Condition condition) =>
        Assert.Equal(condition, Diagnostician.Judge(Connected(StateWord.Ready), s_running with { RunState = state }).Condition);

    [Theory]
    [InlineData(StateWord.Ready, Condition.Ready)]
    [InlineData(StateWord.Busy, Condition.Busy)]
    [InlineData(StateWord.Installing, Condition.Busy)]
    [InlineData(StateWord.Freezing, Condition.Frozen)]
    [InlineData(StateWord.Frozen, Condition.Frozen)]
    [InlineData(StateWord.Starting, Condition.Booting)]
    [InlineData(StateWord.Stopping, Condition.Stopping)]
    [InlineData(StateWord.Repairing, Condition.Repairing)]
    public void A_connected_agent_is_taken_by_its_word(StateWord word, Condition condition) =>
        Assert.Equal(condition, Diagnostician.Judge(Connected(word), s_running).Condition);

    [Fact]
    public void Frozen_says_until_when()
    {
        var until = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var diagnosis = Diagnostician.Judge(Connected(StateWord.Frozen, until));
        Assert.Equal(until, diagnosis.Until);
        Assert.Contains("2026-01-02 03:04:05Z", diagnosis.Text);
    }

    [Fact]
    public void A_guest_that_is_held_back_is_rate_limited_and_one_without_heartbeats_is_silent()
    {
        var status = Connected(StateWord.Ready);
        Assert.Equal(Condition.RateLimited, Diagnostician.Judge(status with { Channel = status.Channel with { ReceivePause = TimeSpan.FromSeconds(2) } }).Condition);
        Assert.Equal(Condition.AgentSilent, Diagnostician.Judge(status with { Channel = status.Channel with { HeartbeatAge = TimeSpan.FromSeconds(6) } }).Condition);
    }

    private static InstanceStatus Unconnected(Reachability reachability, LinkState link, ChannelException? error = null) =>
        new(reachability, StateWord.Unknown, new ChannelStatus { LinkState = link, LastError = error, Capabilities = [] });

    private static InstanceStatus Connected(StateWord word, DateTimeOffset? until = null) =>
        new(Reachability.Up, word, new ChannelStatus
        {
            LinkState = LinkState.Up,
            PeerHeartbeat = new Heartbeat(word, until, 0, null),
            HeartbeatAge = TimeSpan.FromSeconds(1),
            Capabilities = [],
        });
}
