using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;

namespace ChannelSdk.Host.Snapshots;

/// <summary>
/// Brings a guest to rest for a snapshot, and tells a guest that goes on what it is: itself, or a copy, which repairs itself before it is
/// ready. What was prepared is held by a lease: even if the host dies, the guest goes on by itself at its end.
/// </summary>
public sealed class SnapshotClient
{
    /// <summary>What a guest may take for hooks on top of the lease, or of the time for a call, before a call is given up.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);
    private readonly AgentConnection _connection;

    internal SnapshotClient(AgentConnection connection) => _connection = connection;

    /// <summary>Brings the guest to rest: inhibitors, hooks, gate, file systems.</summary>
    /// <param name="request">How.</param>
    /// <param name="cancellationToken">Gives up the wait. The guest may be at rest then: complete it as one that goes on, or let its lease end.</param>
    /// <returns>The steps, and the end of the lease.</returns>
    /// <exception cref="SnapshotFailedException">A step failed; nothing is prepared.</exception>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.FailedPrecondition"/> (prepared or frozen already), <see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.UnknownMethod"/> (an agent without snapshots).</exception>
    /// <exception cref="ArgumentException">A value of the request that is not allowed.</exception>
    public async Task<SnapshotReport> PrepareAsync(SnapshotRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var message = request.ToMessage();
        await _connection.ReachAsync(SnapshotMethods.Prepare, cancellationToken).ConfigureAwait(false);
        var report = await CallAsync(SnapshotMethods.Prepare, message, request.Lease + s_grace, cancellationToken).ConfigureAwait(false);
        return report.State == SnapshotState.Prepared && report.Failure.Length == 0 ? report : throw new SnapshotFailedException("nothing is prepared for a snapshot", report);
    }

    /// <summary>Lets the lease end so long from now, and makes this session the one that holds it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: nothing is prepared; <see cref="ChannelError.InvalidArgument"/>.</exception>
    public Task<SnapshotReport> RenewAsync(TimeSpan lease, CancellationToken cancellationToken = default) =>
        CallAsync(SnapshotMethods.Renew, new SnapshotRenewRequest { LeaseMs = SnapshotRequest.Milliseconds(lease, nameof(lease)) }, _connection.CallTimeout, cancellationToken);

    /// <summary>What is prepared, the generation, and how the last repair went.</summary>
    /// <exception cref="ChannelException">The call failed.</exception>
    public Task<SnapshotReport> StatusAsync(CancellationToken cancellationToken = default) =>
        CallAsync(SnapshotMethods.Status, new SnapshotStatusRequest(), _connection.CallTimeout, cancellationToken);

    /// <summary>
    /// Tells the guest that it goes on, and as what. A copy repairs itself, and is ready when this returns. If the call's session is lost
    /// meanwhile, the same is told again, with the same generation, until the time has passed.
    /// </summary>
    /// <param name="completion">What the guest is.</param>
    /// <param name="timeout">How long all of it may take, 1 ms to 7 days; null: the time for a call and 30 s.</param>
    /// <param name="cancellationToken">Gives up the wait; the guest may be repaired nevertheless.</param>
    /// <exception cref="SnapshotFailedException">A mandatory step of the repair failed: the guest is not ready, and it can be told again.</exception>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: what was prepared has ended by itself, so a snapshot may not be clean; or another host has completed this copy since, by
    /// another generation. <see cref="ChannelError.DeadlineExceeded"/>, <see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.PermissionDenied"/>.
    /// </exception>
    /// <exception cref="ArgumentException">A value that is not allowed.</exception>
    public async Task<SnapshotReport> CompleteAsync(SnapshotCompletion completion, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(completion);
        var within = timeout ?? _connection.CallTimeout + s_grace;
        OptionCheck.Range(within, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), nameof(timeout));
        using var message = new CompletionMessage(completion, _connection.Time);
        using var limit = new TimeLimit(within, _connection.Time, cancellationToken);
        ChannelException? last = null;
        for (var begin = _connection.Time.GetTimestamp(); ;)
        {
            try
            {
                // Nothing was asked of an agent that is not there the first time.
                await (last is null ? _connection.ReachAsync(SnapshotMethods.Complete, limit.Token) : _connection.Channel.WaitReadyAsync(limit.Token).AsTask()).ConfigureAwait(false);
                var left = within - _connection.Time.GetElapsedTime(begin);
                if (last is not null && !completion.IsCopy)
                {
                    await RequirePreparedAsync(last, limit.Token).ConfigureAwait(false);
                }

                if (left > TimeSpan.Zero)
                {
                    var report = await CallAsync(SnapshotMethods.Complete, message.Now(), left, limit.Token).ConfigureAwait(false);
                    return report.Failure.Length == 0 && report.State is SnapshotState.Idle ? report : throw new SnapshotFailedException("the guest is not ready", report);
                }
            }
            catch (ChannelException e) when (e is not SnapshotFailedException && IsLost(e))
            {
                last = e;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw Late(within, last);
            }

            await Task.Delay(s_pause, _connection.Time, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A copy does a completion once. Of another guest, one whose answer was lost is only told again while the guest is at rest.</summary>
    private async Task RequirePreparedAsync(ChannelException lost, CancellationToken cancellationToken)
    {
        if ((await StatusAsync(cancellationToken).ConfigureAwait(false)).State != SnapshotState.Prepared)
        {
            throw new ChannelException(lost.Code, ErrorClass.Refused, $"the guest goes on, and it is not known whether by this call or by the end of its lease: {lost.Message}", lost);
        }
    }

    private async Task<SnapshotReport> CallAsync<T>(RpcMethod<T, Protocol.Services.SnapshotReport> method, T request, TimeSpan deadline, CancellationToken cancellationToken)
        where T : class, Google.Protobuf.IMessage<T>, new() =>
        SnapshotReport.Of(await _connection.Channel.CallAsync(method, request, new CallOptions(deadline), cancellationToken).ConfigureAwait(false));

    // A deadline that has passed is the end of the time for all.
    private static bool IsLost(ChannelException e) => e.Class == ErrorClass.MayHaveRun
        || (e is { Class: ErrorClass.Retry, Origin: ErrorOrigin.Link or ErrorOrigin.Session or ErrorOrigin.Stream or ErrorOrigin.Transport } && e.Code != ChannelError.SessionClosed);

    private static ChannelException Late(TimeSpan within, ChannelException? last) => new(ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun,
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"the guest was not complete within {within.TotalSeconds:0.###} s{(last is null ? "" : $": {last.Message}")}"), last);
}
