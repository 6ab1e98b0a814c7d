using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Tests;

/// <summary>What two halves of an operation may rely on.</summary>
public class ScriptCoordinatorTests
{
    [Fact]
    public async Task Messages_come_in_order_and_once()
    {
        var pair = new ScriptPair();
        var receiving = Task.Run(async () =>
        {
            for (var i = 0; i < 1000; i++)
            {
                Assert.Equal(i, BitConverter.ToInt32(await pair.Right.ReceiveAsync(null, ScriptPair.Soon)));
            }
        });
        for (var i = 0; i < 1000; i++)
        {
            await pair.Left.SendAsync(BitConverter.GetBytes(i), ScriptPair.Soon);
        }

        await receiving;
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Right.ReceiveAsync(TimeSpan.FromMilliseconds(1), ScriptPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task The_sixty_fifth_message_waits_until_one_was_received()
    {
        var pair = new ScriptPair();
        for (var i = 0; i < ScriptLimits.Room; i++)
        {
            await pair.Left.SendAsync(new byte[] { (byte)i }, ScriptPair.Soon);
        }

        var further = pair.Left.SendAsync(new byte[] { 99 }, ScriptPair.Soon).AsTask();
        Assert.False(further.IsCompleted);
        Assert.Equal([0], await pair.Right.ReceiveAsync(null, ScriptPair.Soon));
        await further;
    }

    [Fact]
    public void A_peer_that_ignores_the_room_or_the_size_is_found_out()
    {
        var pair = new ScriptPair();
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Message, new byte[ScriptLimits.MaxMessage + 1])).Code);
        for (var i = 0; i < ScriptLimits.Room; i++)
        {
            pair.Left.OnPeer(InstallMessage.Message, []);
        }

        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Message, [])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Received, [])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Barrier, "a b"u8)).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Ended, [0xFF])).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Left.OnPeer(InstallMessage.Output, [])).Code);
        for (var i = 0; i < ScriptLimits.MaxBarriers; i++)
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
        var pair = new ScriptPair();
        var (first, second) = isLeftFirst ? (pair.Left, pair.Right) : (pair.Right, pair.Left);
        var waiting = first.BarrierAsync("mounted", null, ScriptPair.Soon).AsTask();
        Assert.False(waiting.IsCompleted);
        await second.BarrierAsync("mounted", null, ScriptPair.Soon);
        await waiting;
        var again = await FailAsync(first.BarrierAsync("mounted", null, ScriptPair.Soon).AsTask());
        Assert.Equal(ChannelError.FailedPrecondition, again.Code);
        Assert.Contains("mounted was passed before", again.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_at_a_barrier_that_timed_out_can_be_taken_up_again()
    {
        var pair = new ScriptPair();
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Left.BarrierAsync("b", TimeSpan.FromMilliseconds(1), ScriptPair.Soon).AsTask())).Code);
        var again = pair.Left.BarrierAsync("b", null, ScriptPair.Soon).AsTask();
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.BarrierAsync("b", null, ScriptPair.Soon).AsTask())).Code);
        await pair.Right.BarrierAsync("b", null, ScriptPair.Soon);
        await again;
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("../x")]
    [InlineData("ü")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task An_invalid_name_is_refused(string name)
    {
        var pair = new ScriptPair();
        Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(pair.Left.BarrierAsync(name, null, ScriptPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.InvalidArgument, Fail(() => pair.Parameters.Add(name, [])).Code);
    }

    [Fact]
    public async Task The_end_of_the_other_half_fails_all_waiting_calls_with_its_reason()
    {
        var pair = new ScriptPair();
        for (var i = 0; i < ScriptLimits.Room; i++)
        {
            await pair.Left.SendAsync(Encoding.UTF8.GetBytes("kept"), ScriptPair.Soon);
        }

        Task[] waiting =
        [
            pair.Left.SendAsync(new byte[1], ScriptPair.Soon).AsTask(), pair.Left.ReceiveAsync(null, ScriptPair.Soon).AsTask(),
            pair.Left.ReceiveAsync(TimeSpan.FromMinutes(1), ScriptPair.Soon).AsTask(), pair.Left.BarrierAsync("b", null, ScriptPair.Soon).AsTask(),
        ];
        pair.Left.OnPeer(InstallMessage.Ended, InstallWire.Ended(3, 0, "").ToByteArray());
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
        var pair = new ScriptPair();
        await pair.Right.SendAsync("last words"u8.ToArray(), ScriptPair.Soon);
        Assert.Equal(ChannelError.DeadlineExceeded, (await FailAsync(pair.Right.BarrierAsync("b", TimeSpan.FromMilliseconds(1), ScriptPair.Soon).AsTask())).Code);
        pair.Left.EndPeer("gone");
        await pair.Left.BarrierAsync("b", null, ScriptPair.Soon);
        Assert.Equal("last words"u8.ToArray(), await pair.Left.ReceiveAsync(null, ScriptPair.Soon));
        Assert.Equal(ChannelError.PeerEnded, (await FailAsync(pair.Left.ReceiveAsync(null, ScriptPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.PeerEnded, (await FailAsync(pair.Left.SendAsync(default, ScriptPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task The_end_of_the_operation_fails_waiting_and_later_calls()
    {
        var pair = new ScriptPair();
        var waiting = pair.Left.ReceiveAsync(null, ScriptPair.Soon).AsTask();
        pair.Left.End("the operation is over");
        Assert.Equal((ChannelError.FailedPrecondition, "the operation is over"), await FailAsync(waiting) is var e ? (e.Code, e.Message) : default);
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.LogAsync(InstallLogLevel.Info, "x", ScriptPair.Soon).AsTask())).Code);
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.BarrierAsync("b", null, ScriptPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task A_receiver_who_goes_away_takes_no_message_along()
    {
        var pair = new ScriptPair();
        using var gone = new CancellationTokenSource();
        var waiting = pair.Left.ReceiveAsync(null, gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await pair.Right.SendAsync("here"u8.ToArray(), ScriptPair.Soon);
        Assert.Equal("here"u8.ToArray(), await pair.Left.ReceiveAsync(null, ScriptPair.Soon));
    }

    [Fact]
    public async Task Steps_inside_of_steps_become_percent_of_the_whole()
    {
        var pair = new ScriptPair();
        await pair.Left.ProgressAsync(5, "begin", ScriptPair.Soon);
        await pair.Left.OpenStepAsync("unpack", 10, 60, ScriptPair.Soon);
        await pair.Left.ProgressAsync(50, "half", ScriptPair.Soon);
        await pair.Left.OpenStepAsync("usr", 50, 100, ScriptPair.Soon);
        await pair.Left.ProgressAsync(20, "bin", ScriptPair.Soon);
        await pair.Left.CloseStepAsync(ScriptPair.Soon);
        await pair.Left.CloseStepAsync(ScriptPair.Soon);
        Assert.Equal([5_000u, 10_000, 35_000, 35_000, 40_000, 60_000, 60_000], pair.LeftSide.Progress.Select(p => p.MilliPercent));
        Assert.Equal(["unpack", "usr"], pair.LeftSide.Progress[4].Steps);
        Assert.Equal(["begin", "", "half", "", "bin", "", ""], pair.LeftSide.Progress.Select(p => p.Text));
        Assert.Equal(ChannelError.FailedPrecondition, (await FailAsync(pair.Left.CloseStepAsync(ScriptPair.Soon).AsTask())).Code);
    }

    [Fact]
    public async Task Nine_hundred_percent_are_refused_and_change_nothing()
    {
        var pair = new ScriptPair();
        Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(pair.Left.ProgressAsync(double.NaN, "", ScriptPair.Soon).AsTask())).Code);
        var error = await FailAsync(pair.Left.ProgressAsync(900, "", ScriptPair.Soon).AsTask());
        Assert.Equal((ChannelError.InvalidArgument, "900 % is no progress; it is from 0 to 100"), (error.Code, error.Message));
        foreach (var (from, to) in new[] { (0.0, 0.0), (5, 4), (0, 100.001), (-1, 50), (double.NaN, 50), (0, double.NaN), (double.PositiveInfinity, double.PositiveInfinity) })
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(pair.Left.OpenStepAsync("s", from, to, ScriptPair.Soon).AsTask())).Code);
        }

        for (var i = 0; i < ScriptLimits.MaxSteps; i++)
        {
            await pair.Left.OpenStepAsync("s", 0, 100, ScriptPair.Soon);
        }

        Assert.Equal(ChannelError.ResourceExhausted, (await FailAsync(pair.Left.OpenStepAsync("s", 0, 100, ScriptPair.Soon).AsTask())).Code);
        Assert.Equal(ScriptLimits.MaxSteps, pair.LeftSide.Progress.Count);
    }

    [Fact]
    public async Task Texts_beyond_their_bounds_are_refused()
    {
        var pair = new ScriptPair();
        foreach (var task in new[]
        {
            pair.Left.ProgressAsync(0.001, new string('ü', 513), ScriptPair.Soon).AsTask(), pair.Left.OpenStepAsync(new string('x', 257), 0, 0.001, ScriptPair.Soon).AsTask(),
            pair.Left.LogAsync(InstallLogLevel.Info, new string('x', 4097), ScriptPair.Soon).AsTask(), pair.Left.LogAsync((InstallLogLevel)4, "x", ScriptPair.Soon).AsTask(),
            pair.Left.SendAsync(new byte[65_537], ScriptPair.Soon).AsTask(), pair.Left.ResultAsync(new byte[65_537], ScriptPair.Soon).AsTask(),
        })
        {
            Assert.Equal(ChannelError.InvalidArgument, (await FailAsync(task)).Code);
        }

        await pair.Left.ResultAsync(new byte[65_536], ScriptPair.Soon);
        await pair.Left.ResultAsync("last"u8.ToArray(), ScriptPair.Soon);
        Assert.Equal("last"u8.ToArray(), pair.LeftSide.Result);
    }

    [Fact]
    public async Task A_script_that_reports_without_end_waits_for_its_turn()
    {
        var pair = new ScriptPair();
        for (var i = 0; i < ScriptLimits.ReportsPerSecond; i++)
        {
            await pair.Left.LogAsync(InstallLogLevel.Info, "talk", ScriptPair.Soon);
        }

        using var gone = new CancellationTokenSource();
        var waiting = Enumerable.Range(0, 3 * ScriptLimits.ReportsPerSecond).Select(_ => pair.Left.LogAsync(InstallLogLevel.Info, "more", gone.Token).AsTask()).ToArray();
        Assert.True(waiting.Count(task => task.IsCompleted) < ScriptLimits.ReportsPerSecond);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(waiting));
        Assert.True(pair.LeftSide.Log.Count < 3 * ScriptLimits.ReportsPerSecond);
    }

    [Fact]
    public void A_parameter_is_told_by_its_name_until_it_is_wiped()
    {
        var parameters = new ScriptParameters();
        byte[] secret = [.. "hunter2"u8];
        parameters.Add("root_password", secret);
        Assert.Equal("hunter2"u8.ToArray(), parameters.Get("root_password").ToArray());
        Assert.Equal("OSP_ROOT_PASSWORD", ScriptVariables.OfParameter("root_password"));
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
    public void A_text_is_cut_between_characters(string text, int bytes, string cut) => Assert.Equal(cut, InstallWire.Cut(text, bytes));

    private static async Task<ChannelException> FailAsync(Task task) => await Assert.ThrowsAsync<ChannelException>(() => task);

    private static ChannelException Fail(Action action) => Assert.Throws<ChannelException>(action);
}
