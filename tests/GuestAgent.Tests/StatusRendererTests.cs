using System.Text.Json;
using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class StatusRendererTests
{
    [Fact]
    public void A_ready_agent_is_shown_and_exits_0()
    {
        var status = Ready();

        var text = StatusRenderer.Text(status);

        Assert.Equal("""
            state       ready
            endpoint    virtio-port://org.channelsdk.agent.0
            link        up with virtio-port:/dev/vport0p1
            session     000000000000000000000000000000ff, resumed 3 times, protocol 1
            host        ready, heard 0.5 s ago
            bytes       10 in, 20 out
            agent       version 1.2.3, pid 42, up 61.5 s, 4096 KiB resident
            config      built-in defaults
            generation  none yet
            methods     info.Ping info.Get
            """, text);
        Assert.Equal(ExitCode.Success, StatusRenderer.ExitCodeOf(status));
    }

    [Theory]
    [InlineData("starting", "up", "ff")]
    [InlineData("stopping", "up", "ff")]
    [InlineData("ready", "opening", "ff")]
    [InlineData("ready", "closed", "")]
    [InlineData("ready", "up", "")]
    public void Everything_less_than_ready_and_connected_exits_1(string state, string link, string session)
    {
        var status = Ready();
        (status.State, status.Link, status.Session) = (state, link, session);

        Assert.Equal(ExitCode.NotConnected, StatusRenderer.ExitCodeOf(status));
        Assert.False(JsonDocument.Parse(StatusRenderer.Json(status)).RootElement.GetProperty("ready").GetBoolean());
    }

    [Fact]
    public void An_agent_without_a_host_says_so()
    {
        var status = Ready();
        (status.Link, status.Session, status.Peer) = ("opening", "", "");
        status.ClearHeartbeatAgeMs();
        (status.LastErrorCode, status.LastError) = (500, "no such device\n/dev/x");

        var text = StatusRenderer.Text(status);

        Assert.Contains("link        opening\n", text, StringComparison.Ordinal);
        Assert.Contains("session     none\n", text, StringComparison.Ordinal);
        Assert.Contains("host        not heard yet\n", text, StringComparison.Ordinal);
        Assert.EndsWith(@"last error  500 no such device\u000a/dev/x", text, StringComparison.Ordinal);
        var json = JsonDocument.Parse(StatusRenderer.Json(status)).RootElement;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("heartbeat_age_ms").ValueKind);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("session").ValueKind);
        Assert.Equal(500, json.GetProperty("last_error_code").GetInt32());
        Assert.Equal("no such device\n/dev/x", json.GetProperty("last_error").GetString());
    }

    [Fact]
    public void Json_has_every_field_of_the_contract()
    {
        var json = JsonDocument.Parse(StatusRenderer.Json(Ready())).RootElement;

        foreach (var field in AgentStatus.Descriptor.Fields.InFieldNumberOrder())
        {
            Assert.True(json.TryGetProperty(field.Name, out _), field.Name);
        }

        Assert.True(json.GetProperty("ready").GetBoolean());
        Assert.Equal(500UL, json.GetProperty("heartbeat_age_ms").GetUInt64());
        Assert.Equal(2, json.GetProperty("methods").GetArrayLength());
    }

    private static AgentStatus Ready() => new()
    {
        Version = "1.2.3",
        Pid = 42,
        UptimeMs = 61_500,
        RssBytes = 4 << 20,
        State = "ready",
        Endpoint = "virtio-port://org.channelsdk.agent.0",
        Link = "up",
        Session = "000000000000000000000000000000ff",
        Resumes = 3,
        Peer = "virtio-port:/dev/vport0p1",
        PeerState = "ready",
        HeartbeatAgeMs = 500,
        BytesIn = 10,
        BytesOut = 20,
        ProtocolVersion = 1,
        Methods = { "info.Ping", "info.Get" },
    };
}
