using ChannelSdk.GuestAgent.Power;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class PowerPlanTests
{
    private const string Systemd = "/run/systemd/system";

    [Theory]
    // systemd wins over everything, wherever its program is
    [InlineData(PowerAction.Shutdown, "systemd", $"{Systemd} /usr/bin/systemctl /sbin/poweroff", "/usr/bin/systemctl poweroff")]
    [InlineData(PowerAction.Reboot, "systemd", $"{Systemd} /bin/systemctl", "/bin/systemctl reboot")]
    [InlineData(PowerAction.Halt, "systemd", $"{Systemd} /usr/bin/systemctl", "/usr/bin/systemctl halt")]
    // systemctl is installed but systemd does not run
    [InlineData(PowerAction.Shutdown, "init", "/usr/bin/systemctl /sbin/poweroff", "/sbin/poweroff")]
    [InlineData(PowerAction.Reboot, "init", "/sbin/reboot", "/sbin/reboot")]
    [InlineData(PowerAction.Halt, "init", "/usr/sbin/halt", "/usr/sbin/halt")]
    // no program: the signals of busybox init
    [InlineData(PowerAction.Shutdown, "init", "", "signal 12 to process 1")]
    [InlineData(PowerAction.Reboot, "init", "", "signal 15 to process 1")]
    [InlineData(PowerAction.Halt, "init", "", "signal 10 to process 1")]
    [InlineData(PowerAction.Halt, "", "/sbin/poweroff", "signal 10 to process 1")]
    // process 1 is a script: it would not answer
    [InlineData(PowerAction.Shutdown, "sh", "/sbin/poweroff", "reboot(2), as there is no init system")]
    [InlineData(PowerAction.Reboot, "bash", "", "reboot(2), as there is no init system")]
    public void The_way_is_chosen_by_the_guests_init_system(PowerAction action, string init, string paths, string how)
    {
        var platform = new FakePowerPlatform { InitName = init };
        platform.Paths.UnionWith(paths.Split(' '));

        Assert.Equal(how, PowerPlan.Choose(action, platform).How);
    }

    [Fact]
    public void An_agent_that_is_process_1_asks_the_kernel()
    {
        var platform = new FakePowerPlatform { OwnProcessId = 1, InitName = "init" };
        platform.Paths.Add("/sbin/poweroff");

        Assert.True(PowerPlan.Choose(PowerAction.Shutdown, platform).IsKernel);
    }

    [Theory]
    [InlineData("sh", "CAP_SYS_BOOT")]
    [InlineData("init", "run it as root")]
    public void Without_the_privilege_the_request_is_refused_before_anything_happens(string init, string hint)
    {
        var e = Assert.Throws<ChannelException>(() =>
            PowerPlan.Choose(PowerAction.Shutdown, new FakePowerPlatform { InitName = init, Permitted = false }));

        Assert.Equal(ChannelError.Unsupported, e.Code);
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PowerAction.SuspendHybrid, "/usr/bin/systemctl hybrid-sleep")]
    [InlineData(PowerAction.SuspendDisk, "/usr/bin/systemctl hibernate")]
    [InlineData(PowerAction.SuspendRam, "/usr/bin/systemctl suspend")]
    public void A_sleep_is_systemds_affair_where_it_runs(PowerAction action, string how)
    {
        var platform = new FakePowerPlatform { SleepStates = "freeze mem disk" };
        platform.Paths.UnionWith([Systemd, "/usr/bin/systemctl"]);

        Assert.Equal(how, PowerPlan.Choose(action, platform).How);
    }

    [Theory]
    [InlineData(PowerAction.Unspecified)]
    [InlineData((PowerAction)99)]
    public void An_unknown_action_is_an_invalid_argument(PowerAction action)
    {
        var e = Assert.Throws<ChannelException>(() => PowerPlan.Choose(action, new FakePowerPlatform()));

        Assert.Equal(ChannelError.InvalidArgument, e.Code);
        Assert.Contains("allowed are 1 shutdown, 2 reboot, 3 halt", e.Message, StringComparison.Ordinal);
    }
}
