using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Snapshots;

/// <summary>A preparation that did not come about, or a repair whose mandatory step failed.</summary>
public sealed class SnapshotFailedException : ChannelException
{
    internal SnapshotFailedException(string what, SnapshotReport report)
        : base(ChannelError.FailedPrecondition, ErrorClass.Retry, $"{what}: {(report.Failure.Length > 0 ? report.Failure : $"the guest says {report.State}")}") => Report = report;

    /// <summary>What became of each step, as the guest says.</summary>
    public SnapshotReport Report { get; }
}
