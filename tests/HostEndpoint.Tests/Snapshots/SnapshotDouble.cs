using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Google.Protobuf;

namespace ChannelSdk.HostEndpoint.Tests.Snapshots;

/// <summary>A guest that keeps the contract of snapshots, without anything to be brought to rest or repaired.</summary>
internal sealed class SnapshotDouble : IAsyncDisposable
{
    private readonly HashSet<ByteString> _left = [];
    private SnapshotReport? _result;
    private SnapshotState _state = SnapshotState.Idle;

    public SnapshotDouble(string? socket = null)
    {
        Guest = new GuestDouble(services =>
        {
            services.Unary(SnapshotMethods.Prepare, (request, _) => ValueTask.FromResult(Prepare(request)));
            services.Unary(SnapshotMethods.Renew, (_, _) => ValueTask.FromResult(Report()));
            services.Unary(SnapshotMethods.Status, (_, _) => ValueTask.FromResult(Report()));
            services.Unary(SnapshotMethods.Complete, async (request, context) =>
            {
                Completions.Add(request.Clone());
                Entropy.Add(request.Entropy.ToByteArray());
                var report = Complete(request);
                if (Completions.Count <= Hangs)
                {
                    await Task.Delay(Timeout.Infinite, context.CancellationToken);
                }

                return Loss is null ? report : throw Loss;
            });
        }, socket);
    }

    public GuestDouble Guest { get; }
    public PrepareRequest? Prepared { get; private set; }
    public List<CompleteRequest> Completions { get; } = [];
    public List<byte[]> Entropy { get; } = [];

    /// <summary>Why a preparation fails.</summary>
    public string Failure { get; set; } = "";

    /// <summary>Why the next repair fails.</summary>
    public string NotRepaired { get; set; } = "";

    /// <summary>How many of the first completions are done and not answered.</summary>
    public int Hangs { get; set; }

    /// <summary>How each completion is answered, if not by its report.</summary>
    public ChannelException? Loss { get; set; }

    /// <summary>As at the end of the lease.</summary>
    public void EndLease() => _state = SnapshotState.Idle;

    public ValueTask DisposeAsync() => Guest.DisposeAsync();

    private SnapshotReport Prepare(PrepareRequest request)
    {
        if (_state == SnapshotState.Prepared)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "it is prepared already");
        }

        Prepared = request;
        _state = Failure.Length == 0 ? SnapshotState.Prepared : SnapshotState.Idle;
        var report = Report();
        (report.LeftMs, report.Failure) = (request.LeaseMs, Failure);
        report.Steps.Add(new StepResult { Name = "ga\u001b[2Jte", Outcome = Failure.Length == 0 ? StepOutcome.Done : StepOutcome.Failed, ElapsedUs = 1500, Mandatory = true, Reason = Failure });
        return report;
    }

    private SnapshotReport Complete(CompleteRequest request)
    {
        if (request.Origin is SnapshotOrigin.GoesOn or SnapshotOrigin.Migrated)
        {
            if (_state != SnapshotState.Prepared)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "nothing is prepared: the lease of 1 s ended");
            }

            _state = SnapshotState.Idle;
            return Report();
        }

        if (_left.Contains(request.Generation))
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "this guest has left that generation");
        }

        if (_result is { Failure: "" } && _result.Generation == request.Generation)
        {
            return _result;
        }

        if (_result is not null && _result.Generation != request.Generation)
        {
            _left.Add(_result.Generation);
        }

        _state = NotRepaired.Length == 0 ? SnapshotState.Idle : SnapshotState.Unrepaired;
        Guest.Channel.SetState(NotRepaired.Length == 0 ? StateWord.Ready : StateWord.Repairing);
        _result = new SnapshotReport { State = _state, Generation = request.Generation, Failure = NotRepaired, Gated = true };
        _result.Steps.Add(new StepResult { Name = "random", Outcome = NotRepaired.Length == 0 ? StepOutcome.Done : StepOutcome.Failed, Mandatory = true, ElapsedUs = 250 });
        NotRepaired = "";
        return _result;
    }

    private SnapshotReport Report() => new() { State = _state, Generation = _result?.Generation ?? ByteString.Empty };
}
