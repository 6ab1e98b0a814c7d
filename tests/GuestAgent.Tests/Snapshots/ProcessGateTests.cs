using ChannelSdk.GuestAgent.Gate;

namespace ChannelSdk.GuestAgent.Tests.Snapshots;

public sealed class ProcessGateTests
{
    private readonly FakeGatePlatform _platform = new();
    private readonly List<string> _notes = [];
    private readonly ProcessGate _gate;

    public ProcessGateTests()
    {
        _gate = new ProcessGate(_platform, TimeSpan.FromMilliseconds(200));
        _gate.Begin();
    }

    [Fact]
    public void All_groups_beside_the_way_to_the_agent_are_frozen_and_those_of_the_agent_and_of_PID_1_never()
    {
        Assert.Null(Close());

        Assert.True(_gate.IsShut);
        Assert.Equal(
            ["/system.slice/channel-agent.service/channel-run-1", "/system.slice/cron.service", "/system.slice/ssh.service", "/user.slice"], _platform.Asked);
        Assert.Empty(_gate.Open());
        Assert.False(_gate.IsShut);
        Assert.Empty(_platform.Asked);
        // In reverse.
        Assert.Equal(_platform.Done.Take(4).Select(static line => line.Split(' ')[1]).Reverse(), _platform.Done.Skip(4).Select(static line => line.Split(' ')[1]));
    }

    [Fact]
    public void Each_group_is_noted_before_it_is_frozen()
    {
        _platform.OnSet = (group, _) => Assert.Contains(group, _notes);

        Assert.Null(Close());

        Assert.Equal(4, _notes.Count);
    }

    [Fact]
    public void A_group_without_a_process_is_left_as_PID_1_may_start_the_agent_again_with_what_it_needs_in_one()
    {
        _platform.Groups["/system.slice/system-modprobe.slice"] = [];
        _platform.Groups["/system.slice/system-modprobe.slice/modprobe@loop.service"] = [];
        _platform.Groups["/system.slice/system-getty.slice"] = [];
        _platform.Groups["/system.slice/system-getty.slice/getty@tty1.service"] = [302];

        Assert.Null(Close());

        Assert.DoesNotContain("/system.slice/system-modprobe.slice", _platform.Asked);
        Assert.Contains("/system.slice/system-getty.slice", _platform.Asked);
    }

    [Fact]
    public void A_group_that_is_filled_while_the_gate_closes_is_frozen_then()
    {
        _platform.Groups["/system.slice/at.service"] = [];
        _platform.OnSet = (group, isFrozen) => _platform.Groups["/system.slice/at.service"] = [303];

        Assert.Null(Close());

        Assert.Contains("/system.slice/at.service", _platform.Asked);
    }

    [Fact]
    public void A_group_that_appears_while_the_gate_closes_is_found()
    {
        _platform.OnSet = (group, _) => _platform.Groups.TryAdd("/system.slice/late.service", [700]);

        Assert.Null(Close());

        Assert.Contains("/system.slice/late.service", _platform.Asked);
    }

    [Fact]
    public void Groups_that_appear_without_end_are_a_refusal_and_all_of_them_are_let_go_on()
    {
        var number = 0;
        _platform.OnSet = (_, isFrozen) => _platform.Groups.TryAdd($"/system.slice/{number++}.service", [700]);

        Assert.Contains("without end", Close(), StringComparison.Ordinal);

        _platform.OnSet = static (_, _) => { };
        _gate.Open();
        Assert.Empty(_platform.Asked);
    }

    [Theory]
    [InlineData("/", 20)]
    [InlineData("/system.slice", 20)]
    [InlineData(FakeGatePlatform.Own, 20)]
    [InlineData("/init.scope", 20)]
    public void A_process_that_only_a_group_on_the_way_holds_is_a_refusal_that_names_both(string group, int process)
    {
        _platform.Groups[group] = [.. _platform.Groups[group], process];

        var failure = Close();

        Assert.Contains(group, failure, StringComparison.Ordinal);
        Assert.Contains("20 (process)", failure, StringComparison.Ordinal);
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public void A_program_that_the_agent_needs_may_be_in_its_group()
    {
        _platform.Groups[FakeGatePlatform.Own] = [Environment.ProcessId, 4711, 4712];

        Assert.NotNull(Close());
        Assert.Null(_gate.Close(_notes.Add, 47, static () => false, out _));
    }

    [Fact]
    public void A_guest_without_such_groups_is_a_refusal()
    {
        _platform.Place = null;
        Assert.Contains("no control groups of version 2", Close(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_freezes_no_groups_is_a_refusal()
    {
        _platform.Old.Add("/user.slice");
        Assert.Contains("/user.slice has no cgroup.freeze (Linux 5.2 and later)", Close(), StringComparison.Ordinal);
        _gate.Open();
        Assert.Empty(_platform.Asked);
    }

    [Fact]
    public void A_gate_that_would_stop_what_starts_the_agent_again_is_a_refusal()
    {
        _platform.Place = _platform.Place! with { Parent = "/user.slice/user-0.slice" };
        Assert.Contains("/user.slice", Close(), StringComparison.Ordinal);
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public void A_group_that_does_not_stand_still_is_named_with_the_processes_that_wait_in_the_kernel()
    {
        _platform.Stuck["/system.slice/ssh.service"] = true;

        Assert.Equal("control group /system.slice/ssh.service does not stand still after 0.2 s; these wait in the kernel: 301 (process)", Close());

        Assert.False(_gate.IsShut);
        _gate.Open();
        Assert.Empty(_platform.Asked);
    }

    [Fact]
    public void A_group_that_the_agent_may_not_freeze_is_named()
    {
        _platform.Errors["/user.slice"] = 30;

        Assert.Contains("/user.slice cannot be frozen (error 30", Close(), StringComparison.Ordinal);

        _gate.Open();
        Assert.Empty(_platform.Asked);
    }

    [Fact]
    public void Groups_that_others_have_frozen_are_told_of_and_stay_frozen()
    {
        _platform.FreezeByOther("/user.slice");

        Assert.Null(_gate.Close(_notes.Add, 0, static () => false, out var done));

        Assert.Contains("frozen before and left so: /user.slice", done, StringComparison.Ordinal);
        _gate.Open();
        Assert.Equal(["/user.slice"], _platform.Asked);
    }

    [Fact]
    public void An_agent_that_is_moved_while_the_gate_closes_is_a_refusal()
    {
        _platform.OnSet = (_, _) => _platform.Place = new GatePlace("/user.slice/elsewhere", "/init.scope", null);

        Assert.Contains("moved", Close(), StringComparison.Ordinal);

        _gate.Open();
        Assert.Empty(_platform.Asked);
    }

    [Fact]
    public void A_group_that_cannot_be_opened_keeps_no_other_shut()
    {
        Assert.Null(Close());
        _platform.Errors["/system.slice/ssh.service"] = 5;

        Assert.Equal(["/system.slice/ssh.service (error 5)"], _gate.Open());

        Assert.Equal(["/system.slice/ssh.service"], _platform.Asked);
    }

    [Fact]
    public void A_group_that_has_gone_is_no_failure()
    {
        Assert.Null(Close());
        _platform.Groups.Remove("/system.slice/ssh.service", out _);
        Assert.Empty(_gate.Open());
    }

    [Fact]
    public void A_gate_that_is_opened_while_it_closes_stays_open()
    {
        _platform.Stuck["/system.slice/cron.service"] = true;
        var isCalled = false;
        var failure = _gate.Close(_notes.Add, 0, () =>
        {
            if (!isCalled)
            {
                isCalled = true;
                _gate.Open();
                _platform.Stuck.Clear();
                _platform.Groups.TryAdd("/system.slice/late.service", [700]);
            }

            return false;
        }, out _);

        Assert.NotNull(failure);
        Assert.False(_gate.IsShut);
        Assert.Empty(_platform.Asked);
    }

    private string? Close() => _gate.Close(_notes.Add, 0, static () => false, out _);
}
