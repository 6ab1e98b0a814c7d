namespace ChannelSdk.Host.Workers;

/// <summary>A measure that does not hold for a worker.</summary>
/// <param name="Measure">Which.</param>
/// <param name="Why">A line for people that says why.</param>
public sealed record WorkerGap(WorkerMeasure Measure, string Why);
