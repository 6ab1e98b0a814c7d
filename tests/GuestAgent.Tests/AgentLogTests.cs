using ChannelSdk.GuestAgent.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.GuestAgent.Tests;

public class AgentLogTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly List<string> _lines = [];

    [Fact]
    public void Lines_come_at_a_bounded_rate_and_dropped_ones_are_counted()
    {
        var log = Log(rate: 5);
        for (var i = 0; i < 1000; i++)
        {
            log.Info("flood");
        }

        Assert.Equal(10, _lines.Count);

        _time.Advance(TimeSpan.FromSeconds(1));
        log.Info("later");

        Assert.Equal(12, _lines.Count);
        Assert.Equal("channel-agent: warning: 990 log lines were left out: more than 5 a second", _lines[10]);
        Assert.Equal("channel-agent: info: later", _lines[11]);
    }

    [Fact]
    public void Less_important_lines_than_the_level_are_not_written_and_cost_no_token()
    {
        var log = Log(rate: 1);
        log.Level = LogLevel.Warning;
        for (var i = 0; i < 100; i++)
        {
            log.Info("no");
            log.Debug("no");
        }

        log.Warning("yes");
        log.Error("yes");

        Assert.Equal(["channel-agent: warning: yes", "channel-agent: error: yes"], _lines);
    }

    [Fact]
    public void A_line_is_one_line_and_bounded()
    {
        var log = Log(rate: 10);
        log.Info("a\r\nb\0" + new string('x', 100_000));

        var line = Assert.Single(_lines);
        Assert.StartsWith(@"channel-agent: info: a\u000d\u000ab\u0000x", line, StringComparison.Ordinal);
        Assert.True(line.Length < 1100);
    }

    [Fact]
    public void The_time_is_utc()
    {
        var log = new AgentLog(_lines.Add, _time, withTime: true) { Rate = 1 };
        log.Error("x");

        Assert.Equal(["2026-01-02T03:04:05.000Z channel-agent: error: x"], _lines);
    }

    [Theory]
    [InlineData("plain text, 100 %", "plain text, 100 %")]
    [InlineData("Grüße 日本", "Grüße 日本")]
    [InlineData("\u001b[31m\u007f\u009b", @"\u001b[31m\u007f\u009b")]
    [InlineData("a\u2028b\u202ec\u200fd", @"a\u2028b\u202ec\u200fd")]
    [InlineData(@"back\slash \u001b", @"back\slash \u001b")]
    public void Text_is_escaped(string text, string expected)
    {
        Assert.Equal(expected, LogText.Escape(text, 100));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_escaped()
    {
        Assert.Equal(@"\ud800", LogText.Escape("\ud800", 100));
    }

    [Fact]
    public void A_flood_of_refused_calls_does_not_hide_the_allowed_ones()
    {
        var log = Log(1);
        for (var i = 0; i < 100; i++)
        {
            log.Audit("refused x", isRefused: true);
            log.Info("noise");
        }

        log.Audit("allowed y", isRefused: false);

        Assert.Contains(_lines, static line => line.Contains("allowed y", StringComparison.Ordinal));
        Assert.True(_lines.Count <= 6, $"{_lines.Count} lines");
    }

    private AgentLog Log(int rate) => new(_lines.Add, _time, withTime: false) { Rate = rate };
}
