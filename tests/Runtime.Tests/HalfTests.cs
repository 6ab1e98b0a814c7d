using System.Text;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime.Halves;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What two halves of an operation may rely on.</summary>
public class HalfTests
{
    [Fact]
    public async Task Messages_come_in_order_and_once()
    {
        var pair = new HalfPair();
        var receiving = Task.Run(async () =>
        {
            for (var i = 0; i < 1000; i++)
            {
                Assert.Equal(i, BitConverter.ToInt32(await pair.Right.ReceiveAsync(0, HalfPair.Soon)));
            }
        });
        for (var i = 0; i < 1000; i++)
        {
            await pair.Left.SendAsync(BitConverter.GetBytes(i), HalfPair.Soon);
        }

        await receiving;
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Right.ReceiveAsync(1, HalfPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task The_sixty_fifth_message_waits_until_one_was_received()
    {
        var pair = new HalfPair();
        for (var i = 0; i < HalfLimits.Room; i++)
        {
            await pair.Left.SendAsync(new byte[] { (byte)i }, HalfPair.Soon);
        }

        var further = pair.Left.SendAsync(new byte[] { 99 }, HalfPair.Soon).AsTask();
        Assert.False(further.IsCompleted);
        Assert.Equal([0], await pair.Right.ReceiveAsync(0, HalfPair.Soon));
        await further;
    }

    [Fact]
    public void A_peer_that_ignores_the_room_or_the_size_is_found_out()
    {
        var pair = new HalfPair();
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Message, new byte[HalfLimits.MaxMessage + 1])).Code);
        for (var i = 0; i < HalfLimits.Room; i++)
        {
            pair.Left.OnPeer(InstallMessage.Message, []);
        }

        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Message, [])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Taken, [])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Barrier, "a b"u8)).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Ended, [0xFF])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Output, [])).Code);
        for (var i = 0; i < HalfLimits.MaxBarriers; i++)
        {
            pair.Left.OnPeer(InstallMessage.Barrier, Encoding.ASCII.GetBytes($"b{i}"));
        }

        Assert.Equal(ChannelError.ResourceExhausted, Fail(() => pair.Left.OnPeer(InstallMessage.Barrier, "more"u8)).Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_barrier_holds_the_first_half_until_the_second_is_there(bool isLeftFirst)
    {
        var pair = new HalfPair();
        var (first, second) = isLeftFirst ? (pair.Left, pair.Right) : (pair.Right, pair.Left);
        var waiting = first.BarrierAsync("mounted", 0, HalfPair.Soon).AsTask();
        Assert.False(waiting.IsCompleted);
        await second.BarrierAsync("mounted", 0, HalfPair.Soon);
        await waiting;
        var again = await FailAsync(first.BarrierAsync("mounted", 0, HalfPair.Soon).AsTask());
        Assert.Equal(ChannelError.FailedPrecondition, again.Code);
        Assert.Contains("mounted was passed before", again.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_at_a_barrier_that_timed_out_can_be_taken_up_again()
    {
        var pair = new HalfPair();
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Left.BarrierAsync("b", 1, HalfPair.Soon).AsTask())).Code);
        var again = pair.Left.BarrierAsync("b", 0, HalfPair.Soon).AsTask();
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.BarrierAsync("b", 0, HalfPair.Soon).AsTask())).Code);
        await pair.Right.BarrierAsync("b", 0, HalfPair.Soon);
        await again;
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("../x")]
    [InlineData("ü")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task A_name_that_is_none_is_refused(string name)
    {
        var pair = new HalfPair();
        Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(pair.Left.BarrierAsync(name, 0, HalfPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Parameters.Add(name, [])).Code);
    }

    [Fact]
    public async Task The_end_of_the_other_half_wakes_all_who_wait_with_what_it_said()
    {
        var pair = new HalfPair();
        for (var i = 0; i < HalfLimits.Room; i++)
        {
            await pair.Left.SendAsync(Encoding.UTF8.GetBytes("kept"), HalfPair.Soon);
        }

        Task[] waiting =
        [
            pair.Left.SendAsync(new byte[1], HalfPair.Soon).AsTask(), pair.Left.ReceiveAsync(0, HalfPair.Soon).AsTask(),
            pair.Left.ReceiveAsync(60_000, HalfPair.Soon).AsTask(), pair.Left.BarrierAsync("b", 0, HalfPair.Soon).AsTask(),
        ];
        pair.Left.OnPeer(InstallMessage.Ended, HalfWire.Ended(3, 0, "").ToByteArray());
        foreach (var task in waiting)
        {
            var error = await FailAsync(task);
            Assert.Equal((ChannelError.PeerEnded, "the other half has ended with code 3"), (error.Code, error.Message));
        }

        Assert.Equal(3u, pair.Left.PeerEnd!.Code);
    }

    [Fact]
    public async Task What_the_other_half_sent_and_reached_before_it_ended_counts()
    {
        var pair = new HalfPair();
        await pair.Right.SendAsync("last words"u8.ToArray(), HalfPair.Soon);
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Right.BarrierAsync("b", 1, HalfPair.Soon).AsTask())).Code);
        pair.Left.EndPeer("gone");
        await pair.Left.BarrierAsync("b", 0, HalfPair.Soon);
        Assert.Equal("last words"u8.ToArray(), await pair.Left.ReceiveAsync(0, HalfPair.Soon));
        Assert.Equal(ChannelError.PeerEnded, (await FailAsync(pair.Left.ReceiveAsync(0, HalfPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.PeerEnded, (await FailAsync(pair.Left.SendAsync(default, HalfPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task The_end_of_the_operation_wakes_everybody_and_nothing_is_taken_after_it()
    {
        var pair = new HalfPair();
        var waiting = pair.Left.ReceiveAsync(0, HalfPair.Soon).AsTask();
        pair.Left.End("the operation is over");
        Assert.Equal((ChannelError.FailedPrecondition, "the operation is over"), await FailAsync(waiting) is var e ? (e.Code, e.Message) : default);
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.LogAsync(1, "x", HalfPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.BarrierAsync("b", 0, HalfPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task A_receiver_who_goes_away_takes_no_message_along()
    {
        var pair = new HalfPair();
        using var gone = new CancellationTokenSource();
        var waiting = pair.Left.ReceiveAsync(0, gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await pair.Right.SendAsync("here"u8.ToArray(), HalfPair.Soon);
        Assert.Equal("here"u8.ToArray(), await pair.Left.ReceiveAsync(0, HalfPair.Soon));
    }

    [Fact]
    public async Task Steps_inside_of_steps_become_percent_of_the_whole()
    {
        var pair = new HalfPair();
        await pair.Left.ProgressAsync(5_000, "begin", HalfPair.Soon);
        await pair.Left.OpenStepAsync("unpack", 10_000, 60_000, HalfPair.Soon);
        await pair.Left.ProgressAsync(50_000, "half", HalfPair.Soon);
        await pair.Left.OpenStepAsync("usr", 50_000, 100_000, HalfPair.Soon);
        await pair.Left.ProgressAsync(20_000, "bin", HalfPair.Soon);
        await pair.Left.CloseStepAsync(HalfPair.Soon);
        await pair.Left.CloseStepAsync(HalfPair.Soon);
        Assert.Equal([5_000u, 10_000, 35_000, 35_000, 40_000, 60_000, 60_000], pair.LeftSide.Progress.Select(p => p.MilliPercent));
        Assert.Equal(["unpack", "usr"], pair.LeftSide.Progress[4].Steps);
        Assert.Equal(["begin", "", "half", "", "bin", "", ""], pair.LeftSide.Progress.Select(p => p.Text));
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.CloseStepAsync(HalfPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task Nine_hundred_percent_are_refused_and_change_nothing()
    {
        var pair = new HalfPair();
        var error = await FailAsync(pair.Left.ProgressAsync(900_000, "", HalfPair.Soon).AsTask());
        Assert.Equal((ChannelError.InvalidArgument, "900 % is no progress; it is from 0 to 100"), (error.Code, error.Message));
        foreach (var (from, to) in new[] { (0u, 0u), (5u, 4u), (0u, 100_001u), (uint.MaxValue, uint.MaxValue) })
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(pair.Left.OpenStepAsync("s", from, to, HalfPair.Soon).AsTask())).Code);
        }

        for (var i = 0; i < HalfLimits.MaxSteps; i++)
        {
            await pair.Left.OpenStepAsync("s", 0, 100_000, HalfPair.Soon);
        }

        Assert.Equal(ChannelError.ResourceExhausted, (await FailAsync(pair.Left.OpenStepAsync("s", 0, 100_000, HalfPair.Soon).AsTask())).Code);
        Assert.Equal(HalfLimits.MaxSteps, pair.LeftSide.Progress.Count);
    }

    [Fact]
    public async Task Texts_beyond_their_bounds_are_refused()
    {
        var pair = new HalfPair();
        foreach (var task in new[]
        {
            pair.Left.ProgressAsync(1, new string('ü', 513), HalfPair.Soon).AsTask(), pair.Left.OpenStepAsync(new string('x', 257), 0, 1, HalfPair.Soon).AsTask(),
            pair.Left.LogAsync(1, new string('x', 4097), HalfPair.Soon).AsTask(), pair.Left.LogAsync(4, "x", HalfPair.Soon).AsTask(),
            pair.Left.SendAsync(new byte[65_537], HalfPair.Soon).AsTask(), pair.Left.ResultAsync(new byte[65_537], HalfPair.Soon).AsTask(),
        })
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(task)).Code);
        }

        await pair.Left.ResultAsync(new byte[65_536], HalfPair.Soon);
        await pair.Left.ResultAsync("last"u8.ToArray(), HalfPair.Soon);
        Assert.Equal("last"u8.ToArray(), pair.LeftSide.Result);
    }

    [Fact]
    public async Task Who_reports_for_ever_waits_for_a_turn()
    {
        var pair = new HalfPair();
        for (var i = 0; i < HalfLimits.ReportsPerSecond; i++)
        {
            await pair.Left.LogAsync(1, "talk", HalfPair.Soon);
        }

        using var gone = new CancellationTokenSource();
        var waiting = Enumerable.Range(0, 3 * HalfLimits.ReportsPerSecond).Select(_ => pair.Left.LogAsync(1, "more", gone.Token).AsTask()).ToArray();
        Assert.True(waiting.Count(task => task.IsCompleted) < HalfLimits.ReportsPerSecond);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(waiting));
        Assert.True(pair.LeftSide.Log.Count < 3 * HalfLimits.ReportsPerSecond);
    }

    [Fact]
    public void A_parameter_is_told_by_its_name_until_it_is_wiped()
    {
        var parameters = new HalfParameters();
        byte[] secret = [.. "hunter2"u8];
        parameters.Add("root_password", secret);
        Assert.Equal("hunter2"u8.ToArray(), parameters.Get("root_password").ToArray());
        Assert.Equal("OSP_ROOT_PASSWORD", HalfVariables.OfParameter("root_password"));
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => parameters.Add("ROOT_password", [])).Code);
        Assert.Equal(ChannelError.NotFound, Fail(() => parameters.Get("other")).Code);
        parameters.Wipe();
        Assert.All(secret, static b => Assert.Equal(0, b));
        Assert.Equal(ChannelError.NotFound, Fail(() => parameters.Get("root_password")).Code);
    }

    [Theory]
    [InlineData("abc", 3, "abc")]
    [InlineData("abcd", 3, "abc")]
    [InlineData("aüü", 4, "aü")]
    [InlineData("😀😀", 7, "😀")]
    [InlineData("\ud800", 2, "")]
    public void A_text_is_cut_between_characters(string text, int bytes, string cut) => Assert.Equal(cut, HalfWire.Cut(text, bytes));

    private static async Task<ChannelException> FailAsync(Task task) => await Assert.ThrowsAsync<ChannelException>(() => task);

    private static ChannelException Fail(Action action) => Assert.Throws<ChannelException>(action);
}
