using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Power;

namespace ChannelSdk.GuestAgent.Power;

/// <summary>power.Request: answers that it accepted, then ends the guest's run in the init system's way.</summary>
/// <param name="platform">The system.</param>
/// <param name="setState">Sets the state word of the heartbeats.</param>
/// <param name="farewell">Says goodbye to the host; used where no init system will stop the agent first.</param>
/// <param name="log">The log.</param>
/// <param name="time">The clock of the two waits below.</param>
internal sealed class PowerService(
    IPowerPlatform platform, Action<StateWord> setState, Func<Task> farewell, AgentLog log, TimeProvider time) : IAgentService
{
    private const int MaxReason = 256;

    // The reply is queued on the link when the handler returns; this lets it leave before init stops the agent.
    internal static readonly TimeSpan ReplyGrace = TimeSpan.FromMilliseconds(200);

    // A guest that still runs after this has not shut down (a job that blocks it, an inhibitor): it is usable again
    // and may be asked again.
    internal static readonly TimeSpan GiveUpAfter = TimeSpan.FromMinutes(3);

    private int _underWay;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(PowerMethods.Request, (request, _) => new(OwnThread.RunAsync(() => Request(request))));
    }

    /// <summary>The action under way; ends when it was given up or failed. For tests and for a clean end.</summary>
    internal Task Running { get; private set; } = Task.CompletedTask;

    /// <summary>Accepts an action or says why not; acts after the reply.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a bad request, <see cref="ChannelError.FailedPrecondition"/> while an action is under way.</exception>
    public PowerReply Request(PowerCommand command)
    {
        if (command.Reason.Length > MaxReason)
        {
            throw Refused(ChannelError.InvalidArgument, $"reason has {command.Reason.Length} characters; at most {MaxReason} are allowed");
        }

        var plan = PowerPlan.Choose(command.Action, platform, command.Force);
        if (Interlocked.Exchange(ref _underWay, 1) != 0)
        {
            throw Refused(ChannelError.FailedPrecondition, "a power action is under way");
        }

        log.Info($"the host asks for {NameOf(command.Action)} ({(command.Reason.Length > 0 ? command.Reason : "no reason given")}): {plan.How}");
        Running = ActAsync(plan);
        return new PowerReply { Accepted = true, How = plan.How };
    }

    private async Task ActAsync(PowerPlan plan)
    {
        // Leave the channel's receive path first: the state word must not overtake this request's own reply.
        await Task.Yield();
        setState(StateWord.Stopping);
        await Task.Delay(ReplyGrace, time).ConfigureAwait(false);
        var failure = await CarryOutAsync(plan).ConfigureAwait(false);
        if (failure is null && plan.Action is (PowerAction.SuspendRam or PowerAction.SuspendDisk or PowerAction.SuspendIdle or PowerAction.SuspendHybrid))
        {
            log.Info("the guest is awake again");
            setState(StateWord.Ready);
            Volatile.Write(ref _underWay, 0);
            return;
        }

        if (failure is null)
        {
            await Task.Delay(GiveUpAfter, time).ConfigureAwait(false);
            failure = $"the guest still runs after {GiveUpAfter.TotalMinutes} minutes";
        }

        log.Error($"{NameOf(plan.Action)} by {plan.How} did not work: {failure}");
        setState(StateWord.Ready);
        Volatile.Write(ref _underWay, 0);
    }

    private async Task<string?> CarryOutAsync(PowerPlan plan)
    {
        if (plan.Program is { } program)
        {
            var exitCode = await platform.RunAsync(program, plan.Arguments).ConfigureAwait(false);
            return exitCode == 0 ? null : $"exit code {exitCode}";
        }

        if (plan.SleepState is { } state)
        {
            // The write returns when the guest wakes up.
            return await Task.Factory.StartNew(() => platform.Sleep(state), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                .ConfigureAwait(false) ? null : "the kernel refused";
        }

        if (plan.Signal != 0)
        {
            return platform.SignalInit(plan.Signal) ? null : "process 1 did not take the signal";
        }

        await farewell().ConfigureAwait(false);
        return platform.KernelReboot(plan.Action) ? null : "the kernel refused";
    }

    private static string NameOf(PowerAction action) => action switch
    {
        PowerAction.Shutdown => "shutdown",
        PowerAction.Reboot => "reboot",
        PowerAction.Halt => "halt",
        _ => "suspend",
    };

    private static ChannelException Refused(ChannelError code, string message) => new(code, ErrorClass.Refused, message);
}
