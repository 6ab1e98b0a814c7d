using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>exec.Run and exec.Signal.</summary>
/// <param name="policy">What the image allows.</param>
/// <param name="log">Every run is told there.</param>
internal sealed class ExecService(AgentPolicy policy, AgentLog log)
{
    // Each has a thread, five descriptors and 32 KiB.
    private const int MaxRuns = 8;
    private const int MaxSignal = 64;
    private readonly ConcurrentDictionary<ulong, ExecProcess> _runs = new();
    private ulong _lastRun;
    private int _count;

    /// <summary>Runs a program.</summary>
    public async ValueTask RunAsync(ExecRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        ExecSpec spec = ExecSpec.Parse(request);
        policy.CheckCommand(spec.Words);
        if (Interlocked.Increment(ref _count) > MaxRuns)
        {
            Interlocked.Decrement(ref _count);
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"{MaxRuns} programs run already; try again when one has ended");
        }
        ulong run = Interlocked.Increment(ref _lastRun);
        ExecProcess process;
        try
        {
            process = ExecProcess.Start(spec, run.ToString(null, null));
        }
        catch
        {
            Interlocked.Decrement(ref _count);
            throw;
        }
        log.Info($"the host runs {spec.Shown} as process {process.Pid}");
        _runs[run] = process;
        await new ExecRun(spec, process, stream).ServeAsync(run, () => Forget(run), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a signal to a program's group.</summary>
    public ExecSignalReply Signal(ExecSignalRequest request)
    {
        if (request.Signal is 0 or > MaxSignal)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"signal is {request.Signal}; allowed are 1 to {MaxSignal}");
        }
        return _runs.TryGetValue(request.Run, out ExecProcess? process) && process.Signal((int)request.Signal)
            ? new ExecSignalReply()
            : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"run {request.Run} has ended");
    }

    private void Forget(ulong run)
    {
        _runs.TryRemove(run, out _);
        Interlocked.Decrement(ref _count);
    }
}
