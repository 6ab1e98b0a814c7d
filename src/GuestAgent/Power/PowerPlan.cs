using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Power;

/// <summary>The way in which a power action will be carried out.</summary>
/// <param name="Action">What was asked for.</param>
/// <param name="Program">The program to run, or null.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="Signal">The signal for process 1, or 0.</param>
/// <param name="SleepState">The word for /sys/power/state, or null.</param>
/// <param name="How">The way in words, for the reply and the log.</param>
internal sealed record PowerPlan(PowerAction Action, string? Program, IReadOnlyList<string> Arguments, int Signal, string? SleepState, string How)
{
    private static readonly string[] s_systemctl = ["/usr/bin/systemctl", "/bin/systemctl"];
    private static readonly string[] s_folders = ["/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"];

    // What an initramfs or a container starts as process 1 when there is no init system: it does not answer
    // to poweroff(8) or to its signals, so it is the agent that must ask the kernel.
    private static readonly string[] s_shells = ["sh", "ash", "bash", "dash", "hush", "channel-agent"];

    /// <summary>Whether the agent itself stops the kernel.</summary>
    public bool IsKernel => Program is null && Signal == 0 && SleepState is null;

    /// <summary>
    /// Chooses, in this order: the kernel if forced; systemd's systemctl, the kernel itself where process 1 is the agent or a shell,
    /// poweroff/reboot/halt, and the signals that busybox init and sysvinit-like ones understand.
    /// </summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for an unknown action, <see cref="ChannelError.Unsupported"/> if the agent lacks the privilege.</exception>
    public static PowerPlan Choose(PowerAction action, IPowerPlatform platform, bool force = false)
    {
        if (action is PowerAction.SuspendRam or PowerAction.SuspendDisk or PowerAction.SuspendIdle or PowerAction.SuspendHybrid)
        {
            return ChooseSleep(action, platform, force);
        }

        var (verb, signal) = action switch
        {
            PowerAction.Shutdown => ("poweroff", Abi.SIGUSR2),
            PowerAction.Reboot => ("reboot", Abi.SIGTERM),
            PowerAction.Halt => ("halt", Abi.SIGUSR1),
            _ => throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"power action {(int)action} is not known; allowed are 1 shutdown, 2 reboot, 3 halt, 4 to 7 suspends"),
        };
        if (force)
        {
            return platform.MayReboot
                ? new PowerPlan(action, null, [], 0, null, "reboot(2), without the init system")
                : throw Unsupported("the agent may not call reboot(2), which needs CAP_SYS_BOOT");
        }
        // The test that sd_booted(3) documents.
        if (platform.IsDirectory("/run/systemd/system") && Find(s_systemctl, platform) is { } systemctl)
        {
            return new PowerPlan(action, systemctl, [verb], 0, null, $"{systemctl} {verb}");
        }

        if (platform.OwnProcessId == 1 || s_shells.Contains(platform.InitName))
        {
            return platform.MayReboot
                ? new PowerPlan(action, null, [], 0, null, "reboot(2), as there is no init system")
                : throw Unsupported("the agent may not call reboot(2), which needs CAP_SYS_BOOT");
        }

        if (Find(s_folders.Select(folder => folder + verb), platform) is { } program)
        {
            return new PowerPlan(action, program, [], 0, null, program);
        }

        return platform.MaySignalInit
            ? new PowerPlan(action, null, [], signal, null, $"signal {signal} to process 1")
            : throw Unsupported("the agent may not send signals to process 1; run it as root");
    }

    private static PowerPlan ChooseSleep(PowerAction action, IPowerPlatform platform, bool force)
    {
        var (state, verb) = action switch
        {
            PowerAction.SuspendRam => ("mem", "suspend"),
            PowerAction.SuspendDisk => ("disk", "hibernate"),
            PowerAction.SuspendHybrid => ("disk", "hybrid-sleep"),
            _ => ("freeze", ""),
        };
        if (force)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "a suspend cannot be forced");
        }

        if (!platform.SleepStates.Split(' ').Contains(state))
        {
            throw Unsupported($"this guest cannot sleep in state '{state}'; its kernel has: {(platform.SleepStates.Length > 0 ? platform.SleepStates : "none")}");
        }

        if (verb.Length > 0 && platform.IsDirectory("/run/systemd/system") && Find(s_systemctl, platform) is { } systemctl)
        {
            return new PowerPlan(action, systemctl, [verb], 0, null, $"{systemctl} {verb}");
        }

        return action == PowerAction.SuspendHybrid
            ? throw Unsupported("this guest cannot sleep in memory and on the disk at once: it has no systemd")
            : new PowerPlan(action, null, [], 0, state, $"'{state}' to /sys/power/state");
    }

    private static ChannelException Unsupported(string message) => new(ChannelError.Unsupported, ErrorClass.Refused, message);

    private static string? Find(IEnumerable<string> paths, IPowerPlatform platform) => paths.FirstOrDefault(platform.IsExecutable);
}
