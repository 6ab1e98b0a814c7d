using ChannelSdk.Transports.Reactor;
using Xunit;

namespace ChannelSdk.Transports.Tests.Reactor;

public class LullPolicyTests
{
    private static readonly long s_short = LullPolicy.MostTicks;
    private static readonly long s_long = 1000 * LullPolicy.MostTicks;

    [Fact]
    public void Polling_begins_after_some_short_sleeps_and_goes_on_while_it_finds_something()
    {
        var policy = Answered();
        for (var i = 0; i < 100; i++)
        {
            policy.NotePoll(found: true);
            Assert.True(policy.IsWorthPolling);
        }
    }

    [Fact]
    public void Without_quick_answers_there_is_no_polling()
    {
        var policy = Answered();
        policy.NotePoll(found: false);
        policy.NoteSleep(s_long);
        for (var i = 0; i < 100; i++)
        {
            Assert.False(policy.IsWorthPolling);
            policy.NoteSleep(s_long);
        }
    }

    [Fact]
    public void Where_answers_come_just_too_late_no_more_than_one_wait_of_four_is_polled()
    {
        var policy = Answered();
        var polls = 0;
        for (var i = 0; i < 300; i++)
        {
            if (policy.IsWorthPolling)
            {
                polls++;
                policy.NotePoll(found: false);
            }

            policy.NoteSleep(s_short);
        }

        Assert.InRange(polls, 1, 76);
    }

    private static LullPolicy Answered()
    {
        var policy = new LullPolicy();
        Assert.False(policy.IsWorthPolling);
        for (var i = 0; i < 4; i++)
        {
            policy.NoteSleep(s_short);
        }

        Assert.True(policy.IsWorthPolling);
        return policy;
    }
}
