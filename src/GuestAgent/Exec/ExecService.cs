using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>exec.Run and exec.Signal.</summary>
/// <param name="policy">What the image allows.</param>
/// <param name="maxPrograms">How many may run at a time: each has a thread, five descriptors and 32 KiB.</param>
/// <param name="log">Every run is told there.</param>
/// <param name="upSession">The session whose link is up now, or null.</param>
internal sealed class ExecService(AgentPolicy policy, Func<int> maxPrograms, AgentLog log, Func<UInt128?> upSession) : IAgentService
{
    private const int MaxSignal = 64;
    private readonly Dictionary<long, ExecProcess> _runs = [];
    private long _lastRun;
    private int _count;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Stream(ExecMethods.Run, (request, stream, context) => RunAsync(request, stream, context.CancellationToken));
        gate.Unary(ExecMethods.Signal, (request, _) => ValueTask.FromResult(Signal(request)));
    }

    /// <summary>Runs a program for a stream.</summary>
    public async ValueTask RunAsync(ExecRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        // Not on the channel's own thread: where the program or its folder lies may not answer.
        var (spec, run, process) = await OwnThread.RunAsync(() => Start(request, ExecCapture.Both)).ConfigureAwait(false);
        await new ExecRun(spec, process, stream, upSession).ServeAsync(run, () => Forget(run), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a program whose output is given to a function, on the program's own thread.</summary>
    /// <param name="request">What to run.</param>
    /// <param name="capture">Which of its output is taken.</param>
    /// <param name="take">Takes a message of <see cref="ExecMessage"/> kind; never waits.</param>
    /// <param name="pid">The program's number.</param>
    /// <returns>Takes the program's input and tells its end.</returns>
    /// <exception cref="ChannelException">It is not allowed, or cannot be started.</exception>
    public ExecPump Start(ExecRequest request, ExecCapture capture, Func<ReadOnlyMemory<byte>, bool> take, out int pid)
    {
        var (_, run, process) = Start(request, capture);
        pid = process.Pid;
        var pump = new ExecPump(process, take);
        _ = pump.Ended.ContinueWith(
            _ =>
            {
                pump.Dispose();
                Forget(run);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        pump.Start();
        return pump;
    }

    /// <summary>Sends a signal to a program's group.</summary>
    public ExecSignalReply Signal(ExecSignalRequest request)
    {
        if (request.Signal is 0 or > MaxSignal)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"signal is {request.Signal}; allowed are 1 to {MaxSignal}");
        }

        ExecProcess? process;
        lock (_runs)
        {
            process = _runs.GetValueOrDefault((long)request.Run);
        }

        return process?.Signal((int)request.Signal) == true
            ? new ExecSignalReply()
            : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"run {request.Run} has ended");
    }

    private (ExecSpec Spec, long Run, ExecProcess Process) Start(ExecRequest request, ExecCapture capture)
    {
        var spec = ExecSpec.Parse(request);
        policy.CheckCommand(spec.Arguments, spec.Variables);
        var most = maxPrograms();
        if (Interlocked.Increment(ref _count) > most)
        {
            Interlocked.Decrement(ref _count);
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry,
                $"{most} programs run already, which is what the image's agent.toml allows ([limits] programs); try again when one has ended");
        }

        var run = Interlocked.Increment(ref _lastRun);
        try
        {
            var process = ExecProcess.Start(spec, run.ToString(null, null), capture);
            log.Info($"the host runs {spec.Shown} as process {process.Pid}");
            lock (_runs)
            {
                _runs.Add(run, process);
            }

            return (spec, run, process);
        }
        catch
        {
            Interlocked.Decrement(ref _count);
            throw;
        }
    }

    private void Forget(long run)
    {
        lock (_runs)
        {
            _runs.Remove(run);
        }

        Interlocked.Decrement(ref _count);
    }
}
