namespace ChannelSdk.Host.Limits;

/// <summary>How often an instance met its limits, since it was attached.</summary>
/// <param name="ReceivePauses">Times that its guest was not read, as it sent more than its rate limits allow.</param>
/// <param name="EventLines">Log lines about its links, sessions and state that were not written.</param>
/// <param name="RefusalLines">Log lines and audit records about refused calls of its guest that were not written.</param>
/// <param name="WorkerStarts">Workers that were started later, as others had ended too soon.</param>
/// <param name="WorkerThrottles">Periods of 100 ms in which its present worker wanted more time of processors than it may have; 0 where no control group counts them.</param>
public sealed record LimitCounts(long ReceivePauses, long EventLines, long RefusalLines, long WorkerStarts, long WorkerThrottles);
