using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;

namespace ChannelSdk.Host.Freeze;

/// <summary>A freeze that did not come about; the guest has thawed all that was frozen by then.</summary>
public sealed class FreezeFailedException : ChannelException
{
    internal FreezeFailedException(FreezeReport report)
        : base(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the guest is not frozen: {report.Failure}") => Report = report;

    /// <summary>What became of each mount and hook, as the guest says.</summary>
    public FreezeReport Report { get; }
}

/// <summary>
/// Freezes the guest's file systems for a snapshot. A freeze is a lease: even if the host dies, the guest thaws by
/// itself at its end.
/// </summary>
public sealed class FreezeClient
{
    /// <summary>What a guest may take for its thaw hooks on top of the lease before a call is given up.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(30);
    private readonly AgentConnection _connection;

    internal FreezeClient(AgentConnection connection) => _connection = connection;

    /// <summary>Runs the guest's hooks and freezes.</summary>
    /// <param name="lease">When the guest thaws by itself, 1 s to the guest's maximum (10 minutes by default).</param>
    /// <param name="mounts">Mount points; null for all that can be frozen.</param>
    /// <param name="linkLoss">How long this session may be without a link before the guest thaws; null: as long as the lease.</param>
    /// <param name="cancellationToken">Gives up the wait. The guest may be frozen then: thaw it, or let its lease end.</param>
    /// <returns>The frozen file systems, their order, and the end of the lease.</returns>
    /// <exception cref="FreezeFailedException">A hook or a mount failed; nothing is frozen.</exception>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.NotFound"/> (no such mount), <see cref="ChannelError.FailedPrecondition"/> (frozen already), <see cref="ChannelError.PermissionDenied"/>.</exception>
    /// <exception cref="ArgumentException">A time of less than 1 ms or more than 7 days, or a mount that is null.</exception>
    public async Task<FreezeReport> FreezeAsync(
        TimeSpan lease, IEnumerable<string>? mounts = null, TimeSpan? linkLoss = null, CancellationToken cancellationToken = default)
    {
        var request = new FreezeRequest { LeaseMs = Milliseconds(lease, nameof(lease)), LinkLossMs = linkLoss is { } loss ? Math.Max(1, Milliseconds(loss, nameof(linkLoss))) : 0 };
        var asked = mounts?.ToList() ?? [];
        OptionCheck.NoNulls(asked, nameof(mounts));
        request.Mounts.AddRange(asked);
        return await TellAsync("a freeze", async () =>
        {
            await _connection.ReachAsync(FreezeMethods.Freeze, cancellationToken).ConfigureAwait(false);
            return await _connection.Channel.CallAsync(
                FreezeMethods.Freeze, request, new CallOptions(Limit(lease)), cancellationToken).ConfigureAwait(false);
        }, telemetry => telemetry.FreezeTaken(lease), isFreeze: true).ConfigureAwait(false);
    }

    /// <summary>Thaws.</summary>
    /// <param name="force">Thaw everything that could be frozen, also what another program froze; it never fails for lack of a freeze.</param>
    /// <param name="cancellationToken">Gives up the wait.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: nothing is frozen any more; the text says why. A snapshot taken meanwhile may not be clean.
    /// </exception>
    public Task<FreezeReport> ThawAsync(bool force = false, CancellationToken cancellationToken = default) => TellAsync("a thaw", async () =>
    {
        await _connection.ReachAsync(FreezeMethods.Thaw, cancellationToken).ConfigureAwait(false);
        return await _connection.Channel.CallAsync(FreezeMethods.Thaw, new ThawRequest { Force = force },
            new CallOptions(_connection.CallTimeout + s_grace), cancellationToken).ConfigureAwait(false);
    }, static telemetry => telemetry.FreezeThawed());

    /// <summary>Lets the lease end so long from now, and makes this session the one that holds it.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: nothing is frozen; <see cref="ChannelError.InvalidArgument"/>.</exception>
    public Task<FreezeReport> RenewAsync(TimeSpan lease, CancellationToken cancellationToken = default)
    {
        var request = new RenewRequest { LeaseMs = Milliseconds(lease, nameof(lease)) };
        return TellAsync("the renewal of a freeze", () => _connection.Channel.CallAsync(FreezeMethods.Renew, request,
            new CallOptions(_connection.CallTimeout), cancellationToken), telemetry => telemetry.FreezeRenewed(lease));
    }

    /// <summary>Whether the guest is frozen, what is, until when, and how the last freeze ended.</summary>
    public async Task<FreezeReport> StatusAsync(CancellationToken cancellationToken = default) => FreezeReport.Of(
        await _connection.Channel.CallAsync(FreezeMethods.Status, new FreezeStatusRequest(), new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false));

    /// <summary>Does it, and tells the log and the metrics how it ended.</summary>
    private async Task<FreezeReport> TellAsync(string what, Func<ValueTask<Protocol.Services.FreezeReport>> act, Action<InstanceTelemetry> tell, bool isFreeze = false)
    {
        try
        {
            var report = FreezeReport.Of(await act().ConfigureAwait(false));
            if (isFreeze && (report.State != FreezeState.Frozen || report.Failure.Length > 0))
            {
                throw new FreezeFailedException(report);
            }

            tell(_connection.Telemetry);
            return report;
        }
        catch (ChannelException e)
        {
            _connection.Telemetry.FreezeFailed(what, e);
            throw;
        }
    }

    private static TimeSpan Limit(TimeSpan lease) => lease + s_grace;

    // The guest says what else is allowed.
    private static uint Milliseconds(TimeSpan time, string name)
    {
        OptionCheck.Range(time, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), name);
        return (uint)time.TotalMilliseconds;
    }
}
