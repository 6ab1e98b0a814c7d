using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>A freeze that did not come about; the guest has thawed whatever was frozen by then.</summary>
public sealed class FreezeFailedException : ChannelException
{
    internal FreezeFailedException(FreezeReport report)
        : base(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the guest is not frozen: {GuestText.Escape(report.Failure)}") => Report = report;

    /// <summary>What became of each mount and hook. The guest's words: escape them before they are shown.</summary>
    public FreezeReport Report { get; }
}

/// <summary>
/// Freezes the guest's file systems for a snapshot. A freeze is a lease: whatever becomes of the host, the guest thaws by
/// itself at its end.
/// </summary>
public sealed class FreezeClient
{
    /// <summary>What a guest may take for its thaw hooks on top of the lease before a call is given up.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(30);
    private readonly Instance _instance;

    internal FreezeClient(Instance instance) => _instance = instance;

    /// <summary>Runs the guest's hooks and freezes.</summary>
    /// <param name="lease">When the guest thaws by itself, 1 s to the guest's maximum (10 minutes by default).</param>
    /// <param name="mounts">Mount points; null for all that can be frozen.</param>
    /// <param name="linkLoss">How long this session may be without a link before the guest thaws; null: as long as the lease.</param>
    /// <param name="cancellationToken">Gives up the wait. The guest may be frozen then: thaw it, or let its lease end.</param>
    /// <returns>What is frozen, in which order, and until when.</returns>
    /// <exception cref="FreezeFailedException">A hook or a mount failed; nothing is frozen.</exception>
    /// <exception cref="ChannelException">InvalidArgument, NotFound (no such mount), FailedPrecondition (frozen already), PermissionDenied.</exception>
    /// <exception cref="ArgumentException">A time of less than 1 ms or more than 7 days, or a mount that is null.</exception>
    public async ValueTask<FreezeReport> FreezeAsync(
        TimeSpan lease, IEnumerable<string>? mounts = null, TimeSpan? linkLoss = null, CancellationToken cancellationToken = default)
    {
        var request = new FreezeRequest { LeaseMs = Milliseconds(lease, nameof(lease)), LinkLossMs = linkLoss is { } loss ? Math.Max(1, Milliseconds(loss, nameof(linkLoss))) : 0 };
        var asked = mounts?.ToList() ?? [];
        OptionCheck.NoNulls(asked, nameof(mounts));
        request.Mounts.AddRange(asked);
        await _instance.ReachAsync(ServiceMethods.FreezeFreeze.Name, cancellationToken).ConfigureAwait(false);
        var report = await _instance.Channel.CallAsync(
            ServiceMethods.FreezeFreeze, request, new CallOptions(Limit(lease)), cancellationToken).ConfigureAwait(false);
        return report.State == FreezeState.Frozen && report.Failure.Length == 0 ? report : throw new FreezeFailedException(report);
    }

    /// <summary>Thaws.</summary>
    /// <param name="force">Thaw everything that could be frozen, whoever froze it; this never fails for lack of a freeze.</param>
    /// <param name="cancellationToken">Gives up the wait.</param>
    /// <exception cref="ChannelException">
    /// FailedPrecondition: nothing is frozen any more, with how that came. A snapshot taken meanwhile may not be clean.
    /// </exception>
    public async ValueTask<FreezeReport> ThawAsync(bool force = false, CancellationToken cancellationToken = default)
    {
        await _instance.ReachAsync(ServiceMethods.FreezeThaw.Name, cancellationToken).ConfigureAwait(false);
        return await _instance.Channel.CallAsync(ServiceMethods.FreezeThaw, new ThawRequest { Force = force },
            new CallOptions(_instance.Options.CallTimeout + s_grace), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets the lease end so long from now, and makes this session the one that holds it.</summary>
    /// <exception cref="ChannelException">FailedPrecondition: nothing is frozen; InvalidArgument.</exception>
    public ValueTask<FreezeReport> RenewAsync(TimeSpan lease, CancellationToken cancellationToken = default) =>
        _instance.Channel.CallAsync(ServiceMethods.FreezeRenew, new RenewRequest { LeaseMs = Milliseconds(lease, nameof(lease)) },
            new CallOptions(_instance.Options.CallTimeout), cancellationToken);

    /// <summary>Whether the guest is frozen, what is, until when, and how the last freeze ended.</summary>
    public ValueTask<FreezeReport> StatusAsync(CancellationToken cancellationToken = default) =>
        _instance.Channel.CallAsync(ServiceMethods.FreezeStatus, new FreezeStatusRequest(),
            new CallOptions(_instance.Options.CallTimeout), cancellationToken);

    private static TimeSpan Limit(TimeSpan lease) => lease + s_grace;

    // The guest says what else is allowed.
    private static uint Milliseconds(TimeSpan time, string name)
    {
        OptionCheck.Range(time, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), name);
        return (uint)time.TotalMilliseconds;
    }
}
