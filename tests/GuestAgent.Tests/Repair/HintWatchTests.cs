using System.Collections.Concurrent;
using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Repair.Hints;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>Hints that a guest is a copy, and what they lead to.</summary>
public sealed class HintWatchTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Hint _hint = new();
    private readonly ConcurrentQueue<string> _did = new();
    private readonly HintWatch _watch;
    private Func<Task<InquireReply>> _answer = static () => Task.FromResult(new InquireReply());

    public HintWatchTests() => _watch = new HintWatch([_hint], () =>
    {
        _did.Enqueue("reseed");
        return 0;
    }, request =>
    {
        _did.Enqueue($"ask {string.Join(' ', request.Hints)} {Convert.ToHexStringLower(request.Generation.ToByteArray())}");
        return _answer();
    }, complete =>
    {
        _did.Enqueue($"act {complete.Origin}");
        return Task.CompletedTask;
    }, static () => [1, 2], new AgentLog(static _ => { }, _time, withTime: false), _time);

    public void Dispose() => _watch.Dispose();

    [Fact]
    public async Task A_hint_reseeds_at_once_and_only_the_hosts_word_is_acted_on()
    {
        _watch.Look();
        Assert.Empty(_did);
        _answer = static () => Task.FromResult(new InquireReply { Complete = new CompleteRequest { Origin = SnapshotOrigin.Cloned } });
        _hint.IsNew = true;

        _watch.Look();

        await UntilAsync("reseed", "ask vmgenid 0102", "act Cloned");
        await LookAsync(10);
        Assert.Equal(3, _did.Count);
    }

    [Fact]
    public async Task There_is_one_inquiry_at_a_time_and_one_in_five_seconds()
    {
        var reply = new TaskCompletionSource<InquireReply>();
        _answer = () => reply.Task;
        _hint.IsNew = true;
        await LookAsync(1);
        await UntilAsync("reseed", "ask vmgenid 0102");
        _watch.Notice(HintWatch.Session);
        await LookAsync(20);
        await UntilAsync("reseed", "ask vmgenid 0102", "reseed");
        reply.SetResult(new InquireReply());
        _hint.IsNew = true;

        // The next question is for what was noticed meanwhile.
        while (_did.Count < 5)
        {
            await LookAsync(1);
        }

        await UntilAsync("reseed", "ask vmgenid 0102", "reseed", "reseed", "ask session vmgenid 0102");
        _hint.IsNew = true;
        await LookAsync(4);
        await UntilAsync("reseed", "ask vmgenid 0102", "reseed", "reseed", "ask session vmgenid 0102", "reseed");
        await LookAsync(1);
        await UntilAsync("reseed", "ask vmgenid 0102", "reseed", "reseed", "ask session vmgenid 0102", "reseed", "ask vmgenid 0102");
    }

    [Fact]
    public async Task A_host_that_does_not_know_the_method_is_not_asked_again()
    {
        _answer = static () => throw new ChannelException(ChannelError.UnknownMethod, ErrorClass.Refused, "there is no snapshot.Inquire");
        _hint.IsNew = true;

        await LookAsync(30);

        await UntilAsync("reseed", "ask vmgenid 0102");
    }

    [Fact]
    public async Task A_host_that_is_not_there_is_asked_for_a_minute()
    {
        _answer = static () => throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, "no answer");
        _hint.IsNew = true;

        await LookAsync(200);

        Assert.Equal(12, _did.Count(static line => line.StartsWith("ask", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("5,1100,9876543,-;random: crng reseeded due to virtual machine fork\n", true)]
    [InlineData("12,1100,9876543,-;random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("5,1100,9876543,-;random: crng init done\n", false)]
    [InlineData("5;random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("", false)]
    public void Only_the_kernels_own_line_is_a_hint_and_not_a_programs(string record, bool isHint) =>
        Assert.Equal(isHint, KernelLogHint.IsReseeding(Encoding.UTF8.GetBytes(record)));

    [Fact]
    public void The_clock_hints_by_a_jump_that_the_agent_did_not_make()
    {
        const long second = 1_000_000_000;
        var offset = 100 * second;
        using var hint = new ClockHint(() => offset);
        Assert.False(hint.HasChanged());
        offset += second;
        Assert.False(hint.HasChanged());
        offset += 3 * second;
        Assert.True(hint.HasChanged());
        Assert.False(hint.HasChanged());
        offset -= 3 * second;
        Assert.True(hint.HasChanged());
        hint.Forgive();
        offset += 3 * second;
        Assert.False(hint.HasChanged());
        offset += 3 * second;
        Assert.True(hint.HasChanged());
    }

    [Fact]
    public void A_VMClock_hints_by_its_marker_and_by_its_counter_where_it_has_one()
    {
        using var folder = new TestDirectory();
        var device = new byte[4096];
        void Set(int at, byte value)
        {
            device[at] = value;
            File.WriteAllBytes(folder["clock"], device);
        }

        Set(16, 1);
        using var hint = new VmClockHint(folder["clock"]);
        Assert.False(hint.HasChanged());
        // No flag says that there is a counter.
        Set(104, 1);
        Assert.False(hint.HasChanged());
        Set(16, 2);
        Assert.True(hint.HasChanged());
        Assert.False(hint.HasChanged());
        Set(25, 1);
        Assert.True(hint.HasChanged());
        Set(104, 2);
        Assert.True(hint.HasChanged());
        // In the middle of a change nothing can be said.
        Set(12, 1);
        Set(104, 3);
        Assert.False(hint.HasChanged());
        Set(12, 2);
        Assert.True(hint.HasChanged());
        using var none = new VmClockHint(folder["none"]);
        Assert.False(none.HasChanged());
    }

    private async Task LookAsync(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _watch.Look();
            // An inquiry that is over lets the next one be.
            await Task.Delay(2);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private async Task UntilAsync(params string[] lines)
    {
        for (var i = 0; i < 2000 && _did.Count < lines.Length; i++)
        {
            await Task.Delay(5);
        }

        Assert.Equal(lines, _did);
    }

    private sealed class Hint : IHintSource
    {
        public string Name => "vmgenid";

        public bool IsNew { get; set; }

        public bool HasChanged()
        {
            var isNew = IsNew;
            IsNew = false;
            return isNew;
        }

        public void Dispose()
        {
        }
    }
}
