using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>install.Run, install.Data and install.Pipe: one operation at a time.</summary>
/// <param name="runFolder">Where folders of operations are made.</param>
/// <param name="onPercent">Told the percent while an operation runs, and null when it has ended.</param>
/// <param name="startProxy">Begins to carry connections to the host's proxy, for an operation that has one.</param>
/// <param name="log">Operations are told there, without their parameters.</param>
internal sealed class InstallService(string runFolder, Action<ushort?> onPercent, Func<ProxyRelay> startProxy, AgentLog log) : IAgentService
{
    private readonly InstallLeftovers _leftovers = new(runFolder, TargetIn(runFolder), log);
    private readonly Lock _gate = new();
    private Current? _current;
    private TaskCompletionSource _idle = Done();

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Stream(InstallMethods.Run, (request, stream, context) => RunAsync(request, stream, context.CancellationToken));
        gate.Stream(InstallMethods.Data, (request, stream, context) => MoveAsync(request, stream, context.CancellationToken));
        gate.Stream(InstallMethods.Pipe, (request, stream, context) => JoinAsync(request, stream, context.CancellationToken));
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
        var data = new DataCalls(spec);
        var current = new Current(target, data);
        Begin(current);
        onPercent(0);
        string? lost = null;
        var isGood = false;
        try
        {
            await RunAsync(spec, current, stream, cancellationToken).ConfigureAwait(false);
            isGood = true;
        }
        finally
        {
            data.Close("the operation has ended");
            current.Pipes.TrySetException(new ChannelException(ChannelError.PeerEnded, ErrorClass.Refused, "the operation has ended"));
            _ = current.Pipes.Task.Exception;
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

    /// <summary>Moves the data of a disk of the operation that runs.</summary>
    public async ValueTask MoveAsync(DataRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        var data = CurrentOf(InstallSpec.Name(request.Operation)).Data;
        // Not on the channel's own thread: the start of a program takes its time.
        await Task.Yield();
        await data.MoveAsync(request.Index, stream, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Joins a stream of the host's with the tool of the operation that it is for.</summary>
    public async ValueTask JoinAsync(PipeRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        var pipes = await CurrentOf(InstallSpec.Name(request.Operation)).Pipes.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        await pipes.ServeAsync(request, stream, cancellationToken).ConfigureAwait(false);
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
    public InstallTarget TargetOf(string operation) => CurrentOf(operation).Target;

    private Current CurrentOf(string operation) => Volatile.Read(ref _current) is { } current && current.Target.Operation == operation
        ? current
        : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"the operation {operation} is not under way");

    private async Task RunAsync(InstallSpec spec, Current current, ChannelStream stream, CancellationToken cancellationToken)
    {
        // Not on the channel's own thread: mounts and disks take their time.
        await Task.Yield();
        await _leftovers.RemoveAsync().ConfigureAwait(false);
        var folder = InstallFolder.Create(runFolder, spec.Operation, Target);
        log.Info($"the operation {spec.Operation} runs {spec.Action} for the instance {LogText.Escape(spec.Instance, 100)}");
        var proxy = spec.HasProxy ? startProxy() : null;
        try
        {
            if (proxy is not null)
            {
                spec.UseProxy(proxy.Port);
            }

            using var run = new InstallRun(spec, folder, Target, current.Data, stream, percent => onPercent(percent));
            current.Pipes.TrySetResult(run.Pipes);
            await run.ServeAsync(current.Target.SetEnd, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (proxy is not null)
            {
                await proxy.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private void Begin(Current next)
    {
        lock (_gate)
        {
            if (_current is { } other)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"the operation {other.Target.Operation} is under way; an appliance serves one at a time");
            }

            _current = next;
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

    private sealed class Current(InstallTarget target, DataCalls data)
    {
        public InstallTarget Target => target;

        public DataCalls Data => data;

        public TaskCompletionSource<GuestPipes> Pipes { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
