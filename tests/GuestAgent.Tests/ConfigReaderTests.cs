using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Tests;

public class ConfigReaderTests
{
    [Fact]
    public void Every_key_is_read()
    {
        AgentConfig config = Parse("""
            # a comment
            endpoint = unix:///run/x.sock
            control_socket = none
              log_level=debug

            log_rate = 1000
            power = deny
            measure = "deny"
            install = allow
            overlay_limit = 10
            policy_file = /etc/p.toml
            freeze_hooks = /etc/h
            freeze_hook_timeout = 150ms
            freeze_max_lease = 30s
            heartbeat_interval = 250ms
            """);

        Assert.Equal("unix:///run/x.sock", config.Endpoint);
        Assert.Null(config.ControlSocket);
        Assert.Equal(LogLevel.Debug, config.LogLevel);
        Assert.Equal(1000, config.LogRate);
        Assert.False(config.AllowPower);
        Assert.False(config.AllowMeasure);
        Assert.True(config.AllowInstall);
        Assert.Equal(10 << 20, config.OverlayLimit);
        Assert.Equal("/etc/p.toml", config.PolicyFile);
        Assert.Equal("/etc/h", config.FreezeHooks);
        Assert.Equal(TimeSpan.FromMilliseconds(150), config.FreezeHookTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), config.FreezeMaxLease);
        Assert.Equal(TimeSpan.FromMilliseconds(250), config.HeartbeatInterval);
    }

    [Fact]
    public void The_example_file_parses_names_every_key_and_holds_the_defaults()
    {
        string text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "packaging", "agent.conf"));

        Assert.Equal(new AgentConfig(), Parse(text));
        foreach (ConfigKey key in ConfigKeys.All)
        {
            Assert.Contains($"\n{key.Name} = ", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("endpoint = nonsense", "endpoint: 'nonsense' is no endpoint", "unix:///run/channel.sock")]
    [InlineData("endpoint = pigeon://x", "'pigeon' is no known scheme", "unix:///run/channel.sock")]
    [InlineData("control_socket = here.sock", "control_socket: 'here.sock' is not allowed", "an absolute path of at most 107 bytes, or none")]
    [InlineData("log_level = loud", "log_level: 'loud' is not allowed", "error, warning, info or debug")]
    [InlineData("log_rate = 0", "log_rate: '0' is not allowed", "from 1 to 1000")]
    [InlineData("log_rate = 99999999999999999999", "log_rate: '99999999999999999999' is not allowed", "from 1 to 1000")]
    [InlineData("power = yes", "power: 'yes' is not allowed", "allowed is allow or deny")]
    [InlineData("power =", "power: '' is not allowed", "allowed is allow or deny")]
    [InlineData("measure = Allow", "measure: 'Allow' is not allowed", "allowed is allow or deny")]
    [InlineData("heartbeat_interval = 5", "heartbeat_interval: '5' is not allowed", "a time from 200ms to 60s")]
    [InlineData("heartbeat_interval = 100ms", "heartbeat_interval: '100ms' is not allowed", "a time from 200ms to 60s")]
    [InlineData("heartbeat_interval = 61s", "heartbeat_interval: '61s' is not allowed", "a time from 200ms to 60s")]
    [InlineData("heartbeat_interval = 4294967297s", "heartbeat_interval: '4294967297s' is not allowed", "a time from 200ms to 60s")]
    [InlineData("power = deny # for now", "power: 'deny # for now' is not allowed", "a comment must stand on a line of its own")]
    [InlineData("log_level = in\u001b[2Jfo", "log_level: 'in\\u001b[2Jfo' is not allowed", "error, warning")]
    public void A_wrong_value_is_told_with_file_line_key_and_what_is_allowed(string line, string what, string allowed)
    {
        string message = ErrorOf($"# first\n{line}\n");

        Assert.StartsWith("agent.conf:2: ", message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
        Assert.Contains(allowed, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("heartbeat = 5s", "did you mean 'heartbeat_interval'?")]
    [InlineData("end-point = unix:///x", "did you mean 'endpoint'?")]
    [InlineData("LogLevel = info", "did you mean 'log_level'?")]
    [InlineData("powr = deny", "did you mean 'power'?")]
    [InlineData("colour = red", "allowed are endpoint, control_socket, log_level")]
    public void An_unknown_key_is_an_error_and_the_nearest_key_is_suggested(string line, string hint)
    {
        string message = ErrorOf(line);

        Assert.StartsWith("agent.conf:1: unknown key '", message, StringComparison.Ordinal);
        Assert.Contains(hint, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_without_an_equals_sign_is_told()
    {
        Assert.Equal("agent.conf:3: '[agent]' is not a setting; write key = value, or start the line with # for a comment",
            ErrorOf("\n\n[agent]\n"));
    }

    [Fact]
    public void A_key_that_is_set_twice_names_the_first_line()
    {
        Assert.Equal("agent.conf:3: power: already set in line 1; keep one of the two",
            ErrorOf("power = deny\n\npower = allow\n"));
    }

    [Fact]
    public void All_errors_of_a_file_are_told_at_once_up_to_a_bound()
    {
        Assert.Equal(2, ErrorOf("a = 1\npower = deny\nb = 2\n").Split('\n').Length);
        Assert.Equal(11, ErrorOf(string.Concat(Enumerable.Repeat("x\n", 5000))).Split('\n').Length);
    }

    [Fact]
    public void A_long_line_of_garbage_is_cut_in_the_message()
    {
        Assert.True(ErrorOf(new string('x', 60_000)).Length < 250);
    }

    [Fact]
    public void A_named_file_that_is_missing_is_an_error()
    {
        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load("/nonexistent/agent.conf", []));

        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.StartsWith("/nonexistent/agent.conf: no such file", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_too_long_is_refused()
    {
        using var file = new TemporaryFile(new string('#', 70_000));

        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(file.Path, []));

        Assert.Contains("longer than 65536 bytes", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_in_the_place_of_the_file_is_named_for_what_it_is()
    {
        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load("/proc", []));

        Assert.StartsWith("/proc: cannot be read: Is a directory", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Flags_go_before_the_file()
    {
        using var file = new TemporaryFile("log_level = error\npower = deny\n");

        AgentConfig config = ConfigReader.Load(file.Path, [new("log_level", "debug")]);

        Assert.Equal(LogLevel.Debug, config.LogLevel);
        Assert.False(config.AllowPower);
        Assert.Equal(file.Path, config.SourceFile);
    }

    [Fact]
    public void A_wrong_flag_value_names_the_flag()
    {
        using var file = new TemporaryFile("");

        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(file.Path, [new("log_level", "loud")]));

        Assert.StartsWith("--log-level: log_level: 'loud' is not allowed", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_path_may_have_107_bytes_and_no_more()
    {
        string longest = "/" + new string('s', 106);

        Assert.Equal(longest, Parse($"control_socket = {longest}").ControlSocket);
        Assert.Contains("at most 107 bytes", ErrorOf($"control_socket = {longest}x"), StringComparison.Ordinal);
    }

    private static AgentConfig Parse(string text) => ConfigReader.Parse(text, "agent.conf", new AgentConfig());

    private static string ErrorOf(string text)
    {
        var e = Assert.Throws<ChannelException>(() => Parse(text));
        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.Equal(ErrorClass.Refused, e.Class);
        return e.Message;
    }
}
