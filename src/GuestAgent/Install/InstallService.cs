using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>install.Run: one operation at a time.</summary>
/// <param name="runFolder">Where folders of operations are made.</param>
/// <param name="onPercent">Told the percent while an operation runs, and null when it has ended.</param>
/// <param name="startProxy">Begins to carry connections to the host's proxy, for an operation that has one.</param>
/// <param name="log">Operations are told there, without their parameters.</param>
internal sealed class InstallService(string runFolder, Action<ushort?> onPercent, Func<ProxyRelay> startProxy, AgentLog log) : IAgentService
{
    private readonly InstallLeftovers _leftovers = new(runFolder, TargetIn(runFolder), log);
    private readonly Lock _gate = new();
    private InstallTarget? _current;
    private TaskCompletionSource _idle = Done();

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Stream(InstallMethods.Run, (request, stream, context) => RunAsync(request, stream, context.CancellationToken));
    }

    /// <summary>Where systems are installed.</summary>
    public string Target => TargetIn(runFolder);

    /// <summary>Removes what an agent that was killed has left of an operation.</summary>
    public async Task RemoveLeftoversAsync() => await _leftovers.RemoveAsync().ConfigureAwait(false);

    /// <summary>Runs the half of an operation.</summary>
    public async ValueTask RunAsync(InstallRunRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        var spec = InstallSpec.Parse(request);
        using var target = new InstallTarget(spec.Operation, Target);
        Begin(target);
        onPercent(0);
        string? lost = null;
        var isGood = false;
        try
        {
            await RunAsync(spec, target, stream, cancellationToken).ConfigureAwait(false);
            isGood = true;
        }
        finally
        {
            await target.CloseAsync(mustStop: !isGood).ConfigureAwait(false);
            lost = await _leftovers.RemoveAsync().ConfigureAwait(false);
            log.Info($"the operation {spec.Operation} has ended");
            onPercent(null);
            End();
        }

        if (lost is not null)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.MayHaveRun, $"what was installed may not be on its disk: {lost}");
        }
    }

    /// <summary>Ends when no operation runs; one whose host has gone ends soon.</summary>
    public Task WaitIdleAsync()
    {
        lock (_gate)
        {
            return _idle.Task;
        }
    }

    /// <summary>The target of the operation that runs.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>.</exception>
    public InstallTarget TargetOf(string operation) => Volatile.Read(ref _current) is { } current && current.Operation == operation
        ? current
        : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"the operation {operation} is not under way");

    private async Task RunAsync(InstallSpec spec, InstallTarget target, ChannelStream stream, CancellationToken cancellationToken)
    {
        // Not on the channel's own thread: mounts and disks take their time.
        await Task.Yield();
        await _leftovers.RemoveAsync().ConfigureAwait(false);
        var folder = InstallFolder.Create(runFolder, spec.Operation, Target);
        log.Info($"the operation {spec.Operation} runs {spec.Action} for the instance {LogText.Escape(spec.Instance, 100)}");
        var proxy = spec.HasProxy ? startProxy() : null;
        try
        {
            using var run = new InstallRun(spec, folder, Target, proxy?.Port, stream, percent => onPercent(percent));
            await run.ServeAsync(target.SetEnd, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (proxy is not null)
            {
                await proxy.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private void Begin(InstallTarget target)
    {
        lock (_gate)
        {
            if (_current is { } other)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"the operation {other.Operation} is under way; an appliance serves one at a time");
            }

            _current = target;
            _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private void End()
    {
        lock (_gate)
        {
            _current = null;
            _idle.SetResult();
        }
    }

    private static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }

    private static string TargetIn(string runFolder) => $"{runFolder}/target";
}
