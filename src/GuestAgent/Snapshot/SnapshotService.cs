using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Repair;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Snapshot;

/// <summary>
/// snapshot.Prepare, Renew, Complete and Status: the guest at rest for a snapshot, and what becomes of it after that. A copy is repaired
/// with the gate still shut, and is not ready before that has succeeded. Thread-safe.
/// </summary>
/// <param name="options">The bounds of what is prepared.</param>
/// <param name="control">What brings the guest to rest and back.</param>
/// <param name="states">The states of a repair.</param>
/// <param name="repair">What repairs.</param>
/// <param name="setClock">Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</param>
/// <param name="log">The log.</param>
internal sealed class SnapshotService(
    FreezeOptions options, FreezeControl control, SnapshotStates states, IRepair repair, Func<long, int> setClock, AgentLog log) : IAgentService, IDisposable
{
    private const int MaxReason = 1000;
    private readonly SemaphoreSlim _turn = new(1);
    private volatile bool _isStopping;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        control.Hindrance = () => states.Restriction;
        gate.Unary(SnapshotMethods.Prepare, (request, _) => PrepareAsync(request));
        gate.Unary(SnapshotMethods.Renew, (request, _) => ValueTask.FromResult(Renew(request)));
        gate.Unary(SnapshotMethods.Complete, (request, _) => CompleteAsync(request));
        gate.Unary(SnapshotMethods.Status, (_, _) => ValueTask.FromResult(Status()));
    }

    /// <summary>Looks for a repair that a predecessor left undone. Before any call is answered.</summary>
    public void Recover()
    {
        if (IsUnrepaired(repair))
        {
            states.State = RepairState.Unrepaired;
            log.Warning("this guest is a copy that is not repaired");
        }
    }

    /// <summary>Whether a predecessor left the guest a copy that is not repaired.</summary>
    public static bool IsUnrepaired(IRepair repair) => repair.IsUnfinished || repair.Last is { Failure.Length: > 0 };

    /// <summary>Ends a repair that is under way, as a failure.</summary>
    public void Stop() => _isStopping = true;

    /// <summary>Brings the guest to rest, or says why it is not.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a kind, times or mounts that are not allowed, <see cref="ChannelError.NotFound"/> for a path that is no mount point, <see cref="ChannelError.PermissionDenied"/> for a gate that the image does not allow, <see cref="ChannelError.FailedPrecondition"/> while frozen, prepared or not repaired.</exception>
    public async ValueTask<SnapshotReport> PrepareAsync(PrepareRequest request)
    {
        if (request.Kind is not (SnapshotKind.Memory or SnapshotKind.Disk))
        {
            throw Refused(ChannelError.InvalidArgument, "kind is neither memory nor disk");
        }

        if (!request.Freeze && request.Mounts.Count > 0)
        {
            throw Refused(ChannelError.InvalidArgument, "mounts are named, and freeze is not set");
        }

        var (length, linkLoss) = options.Check(request.LeaseMs, request.LinkLossMs, request.Mounts.Count);
        if (request.Gate && !options.MayGate())
        {
            throw Refused(ChannelError.PermissionDenied, "the image's policy says gate = false ([snapshot])");
        }

        var order = new FreezeOrder([.. request.Mounts]) { Kind = request.Kind, Gate = request.Gate, FileSystems = request.Freeze };
        return Report(await control.BeginAsync(order, length, linkLoss).ConfigureAwait(false));
    }

    /// <summary>Renews the lease; the calling session holds it from now on.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a time out of range, <see cref="ChannelError.FailedPrecondition"/> unless prepared.</exception>
    public SnapshotReport Renew(SnapshotRenewRequest request)
    {
        var length = options.CheckLease(request.LeaseMs);
        return control.IsPrepared && control.TryRenew(length) ? Status() : throw NothingPrepared();
    }

    /// <summary>How it is, with the steps of the last repair.</summary>
    public SnapshotReport Status()
    {
        var report = Report(repair.Last);
        report.Freeze = control.IsPrepared ? control.Report() : null;
        return report;
    }

    /// <summary>Ends what was prepared; a copy is repaired first, prepared or not.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a request that is not allowed, <see cref="ChannelError.FailedPrecondition"/> if nothing is prepared, or for a generation that was left.</exception>
    public async ValueTask<SnapshotReport> CompleteAsync(CompleteRequest request)
    {
        CompleteCheck.Run(request);
        if (request.Origin is SnapshotOrigin.GoesOn or SnapshotOrigin.Migrated)
        {
            return await GoOnAsync(request).ConfigureAwait(false);
        }

        // One that comes while another is under way waits for it, and finds what that has left.
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (repair.Last is { Failure.Length: 0 } last && request.Generation.Span.SequenceEqual(last.Generation))
            {
                return Told(last);
            }

            return repair.HasLeft(request.Generation.Span)
                ? throw Refused(ChannelError.FailedPrecondition, "this guest has had that generation and has left it; each restore needs a new one")
                : await RepairAsync(request).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<SnapshotReport> GoOnAsync(CompleteRequest request)
    {
        if (states.Restriction is { } restriction)
        {
            throw Refused(ChannelError.FailedPrecondition, restriction);
        }

        if (!control.IsPrepared)
        {
            throw NothingPrepared();
        }

        var report = new RestReport();
        if (request.UnixNs != 0)
        {
            _ = report.Take("clock", mandatory: false, () => setClock(request.UnixNs) is not 0 and var error
                ? (StepOutcome.Failed, $"the clock cannot be set (error {error})") : (StepOutcome.Done, ""));
        }

        var why = request.Origin == SnapshotOrigin.Migrated ? "the host completed it: the guest has migrated" : "the host completed it: the guest goes on";
        // What has ended by itself meanwhile has its own end.
        var ended = await (await OwnThread.RunAsync(() => control.EndAsync(why)).ConfigureAwait(false)).ConfigureAwait(false) ?? throw NothingPrepared();
        report.Add(ended);
        return Report(report);
    }

    private async Task<SnapshotReport> RepairAsync(CompleteRequest request)
    {
        var report = new RestReport();
        RepairResult result;
        states.State = RepairState.Repairing;
        try
        {
            var isHeld = await control.HoldAsync(report).ConfigureAwait(false);
            var isGated = control.IsGateHeld;
            // The end of the lease opens the gate, also while the repair waits for something.
            result = await OwnThread.RunAsync(() => repair.Run(request, () => _isStopping || (isHeld && !control.IsHeld), () => isGated && control.IsGateHeld)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // No text of it: it may have come of the request.
            result = new RepairResult(request.Generation.ToByteArray(), [], $"the repair ended with an unexpected error ({e.GetType().Name})", IsGated: false);
        }

        report.Steps.AddRange(result.Steps);
        var isRepaired = result.Failure.Length == 0;
        if (isRepaired)
        {
            // Processes go on first, and only then the guest is ready.
            if (await control.EndAsync("the guest was repaired").ConfigureAwait(false) is { } ended)
            {
                report.Add(ended);
            }

            report.Steps.AddRange(await OwnThread.RunAsync(repair.Settle).ConfigureAwait(false));
        }

        states.State = isRepaired ? RepairState.None : RepairState.Unrepaired;
        log.Warning(isRepaired ? "this guest is a copy, and is repaired" : $"this guest is a copy, and its repair has failed: {result.Failure}");
        var told = Report(report);
        told.Failure = result.Failure;
        told.Gated = result.IsGated;
        return told;
    }

    private SnapshotReport Report(RestReport rested)
    {
        var report = Now();
        report.Steps.AddRange(rested.Steps);
        report.Failure = rested.Freeze.Failure;
        report.Freeze = rested.Freeze.Hooks.Count + rested.Freeze.Mounts.Count > 0 ? rested.Freeze : null;
        return report;
    }

    private SnapshotReport Told(RepairResult last)
    {
        var report = Report(last);
        report.Gated = last.IsGated;
        return report;
    }

    private SnapshotReport Report(RepairResult? last)
    {
        var report = Now();
        report.Steps.AddRange(last?.Steps ?? []);
        report.Failure = LogText.Escape(last?.Failure ?? "", MaxReason);
        return report;
    }

    private SnapshotReport Now()
    {
        var freeze = control.Fill(new FreezeReport());
        return new SnapshotReport
        {
            State = states.State switch
            {
                RepairState.Repairing => SnapshotState.Repairing,
                RepairState.Unrepaired => SnapshotState.Unrepaired,
                _ when !control.IsPrepared => SnapshotState.Idle,
                _ => freeze.State == FreezeState.Freezing ? SnapshotState.Preparing : SnapshotState.Prepared,
            },
            UntilUnixMs = freeze.UntilUnixMs,
            LeftMs = freeze.LeftMs,
            LastEnd = freeze.LastEnd,
            Generation = ByteString.CopyFrom(repair.Generation),
        };
    }

    private ChannelException NothingPrepared() => Refused(ChannelError.FailedPrecondition,
        control.LastEnd is { Length: > 0 } end ? $"nothing is prepared any more: {end}" : "nothing is prepared, and nothing was");

    private static ChannelException Refused(ChannelError code, string message) => new(code, ErrorClass.Refused, message);
}
