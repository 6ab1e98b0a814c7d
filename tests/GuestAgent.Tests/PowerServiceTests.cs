using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class PowerServiceTests
{
    private readonly WatchedTime _time = new();
    private readonly FakePowerPlatform _platform = new();
    private readonly ConcurrentQueue<StateWord> _states = new();
    private readonly ConcurrentQueue<string> _lines = new();
    private int _farewells;

    [Fact]
    public async Task The_reply_comes_before_the_act_and_the_state_is_stopping()
    {
        _platform.Paths.Add("/sbin/poweroff");
        var service = Service();

        var reply = service.Request(new PowerCommand { Action = PowerAction.Shutdown, Reason = "upgrade" });

        Assert.True(reply.Accepted);
        Assert.Equal("/sbin/poweroff", reply.How);
        Assert.Empty(_platform.Done);
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await _time.AdvanceNextAsync(TimeSpan.Zero);
        Assert.Equal(["/sbin/poweroff"], _platform.Done);
        Assert.Equal([StateWord.Stopping], _states);
        Assert.Contains(_lines, line => line.Contains("shutdown (upgrade): /sbin/poweroff", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_second_request_is_refused_until_the_first_was_given_up()
    {
        _platform.Paths.Add("/sbin/reboot");
        var service = Service();
        service.Request(Command(PowerAction.Reboot));

        Assert.Equal(ChannelError.FailedPrecondition, CodeOf(service, Command(PowerAction.Shutdown)));
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await _time.AdvanceNextAsync(PowerService.GiveUpAfter);
        await service.Running;

        Assert.Equal([StateWord.Stopping, StateWord.Ready], _states);
        Assert.Contains(_lines, line => line.Contains("still runs after 3 minutes", StringComparison.Ordinal));
        Assert.True(service.Request(Command(PowerAction.Reboot)).Accepted);
    }

    [Fact]
    public async Task A_program_that_fails_makes_the_guest_ready_again()
    {
        _platform.Paths.Add("/sbin/halt");
        _platform.ExitCode = 4;
        var service = Service();
        service.Request(Command(PowerAction.Halt));
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await service.Running;

        Assert.Equal([StateWord.Stopping, StateWord.Ready], _states);
        Assert.Contains(_lines, line => line.Contains("halt by /sbin/halt did not work: exit code 4", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_an_init_system_the_agent_says_goodbye_before_it_asks_the_kernel()
    {
        _platform.OwnProcessId = 1;
        _platform.Works = false;
        var service = Service();
        service.Request(Command(PowerAction.Shutdown));
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await service.Running;

        Assert.Equal(1, _farewells);
        Assert.Equal(["reboot Shutdown"], _platform.Done);
        Assert.Contains(_lines, line => line.Contains("the kernel refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_signal_goes_to_process_1()
    {
        var service = Service();
        service.Request(Command(PowerAction.Shutdown));
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await _time.AdvanceNextAsync(TimeSpan.Zero);

        Assert.Equal(["signal 12"], _platform.Done);
        Assert.Equal(0, _farewells);
    }

    [Fact]
    public async Task A_suspended_guest_is_ready_again_once_it_is_awake()
    {
        _platform.SleepStates = "freeze mem disk";
        var service = Service();

        var reply = service.Request(Command(PowerAction.SuspendRam));
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await service.Running;

        Assert.Equal("'mem' to /sys/power/state", reply.How);
        Assert.Equal(["sleep mem"], _platform.Done);
        Assert.Equal([StateWord.Stopping, StateWord.Ready], _states);
        Assert.True(service.Request(Command(PowerAction.SuspendIdle)).Accepted);
    }

    [Fact]
    public void A_state_that_the_kernel_does_not_have_is_refused_with_those_it_has()
    {
        _platform.SleepStates = "freeze";

        var e = Assert.Throws<ChannelException>(() => Service().Request(Command(PowerAction.SuspendDisk)));

        Assert.Equal(ChannelError.Unsupported, e.Code);
        Assert.Contains("'disk'; its kernel has: freeze", e.Message, StringComparison.Ordinal);
        Assert.Equal(ChannelError.InvalidArgument, CodeOf(Service(), new PowerCommand { Action = PowerAction.SuspendIdle, Force = true }));
    }

    [Fact]
    public async Task A_forced_shutdown_does_not_ask_the_init_system()
    {
        _platform.Paths.Add("/sbin/poweroff");
        _platform.Works = false;
        var service = Service();

        service.Request(new PowerCommand { Action = PowerAction.Shutdown, Force = true });
        await _time.AdvanceNextAsync(PowerService.ReplyGrace);
        await service.Running;

        Assert.Equal(["reboot Shutdown"], _platform.Done);
        _platform.Permitted = false;
        Assert.Equal(ChannelError.Unsupported, CodeOf(service, new PowerCommand { Action = PowerAction.Halt, Force = true }));
    }

    [Fact]
    public void A_reason_that_is_too_long_is_refused()
    {
        var command = new PowerCommand { Action = PowerAction.Halt, Reason = new string('x', 257) };

        Assert.Equal(ChannelError.InvalidArgument, CodeOf(Service(), command));
        Assert.Empty(_states);
    }

    [Fact]
    public void A_reason_cannot_forge_log_lines()
    {
        Service().Request(new PowerCommand { Action = PowerAction.Halt, Reason = "x\nchannel-agent: error: fire" });

        Assert.All(_lines, line => Assert.DoesNotContain('\n', line));
    }

    private static PowerCommand Command(PowerAction action) => new() { Action = action };

    private static ChannelError CodeOf(PowerService service, PowerCommand command) =>
        Assert.Throws<ChannelException>(() => service.Request(command)).Code;

    private PowerService Service()
    {
        var log = new AgentLog(_lines.Enqueue, _time, withTime: false) { Rate = 100 };
        return new PowerService(_platform, _states.Enqueue, () =>
        {
            _farewells++;
            return Task.CompletedTask;
        }, log, _time);
    }
}
