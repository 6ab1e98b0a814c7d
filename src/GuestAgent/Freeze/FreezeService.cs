using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>freeze.Freeze, Thaw, Renew and Status. Thread-safe.</summary>
/// <param name="options">Its bounds.</param>
/// <param name="control">What freezes and thaws.</param>
internal sealed class FreezeService(FreezeOptions options, FreezeControl control) : IAgentService
{
    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Restriction = () => Restriction;
        gate.Unary(FreezeMethods.Freeze, (request, _) => FreezeAsync(request));
        gate.Unary(FreezeMethods.Thaw, (request, _) => ThawAsync(request));
        gate.Unary(FreezeMethods.Renew, (request, _) => ValueTask.FromResult(Renew(request)));
        gate.Unary(FreezeMethods.Status, (_, _) => ValueTask.FromResult(Status()));
    }

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction => control.Restriction;

    /// <summary>Freezes, or says why nothing is frozen.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for times out of range, <see cref="ChannelError.NotFound"/> for a path that is no mount point, <see cref="ChannelError.FailedPrecondition"/> while frozen.</exception>
    /// <param name="request">What to freeze, and for how long.</param>
    /// <param name="ignoreUnknown">Whether unknown mount points are skipped, and an empty plan is no failure.</param>
    public async ValueTask<FreezeReport> FreezeAsync(FreezeRequest request, bool ignoreUnknown = false)
    {
        var (length, linkLoss) = options.Check(request.LeaseMs, request.LinkLossMs, request.Mounts.Count);
        return (await control.BeginAsync(new FreezeOrder([.. request.Mounts]) { IgnoreUnknown = ignoreUnknown }, length, linkLoss).ConfigureAwait(false)).Freeze;
    }

    /// <summary>Thaws; with force all that can be thawed, without an error.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: nothing is frozen, with how the last freeze ended; or a copy is not repaired, whose processes must not go on.</exception>
    public async ValueTask<FreezeReport> ThawAsync(ThawRequest request)
    {
        FreezeReport? report = null;
        if (!control.IsHeld)
        {
            report = (await (await OwnThread.RunAsync(() => control.EndAsync("the host thawed it")).ConfigureAwait(false)).ConfigureAwait(false))?.Freeze;
        }

        if (request.Force)
        {
            report ??= control.Fill(new FreezeReport());
            report.Mounts.AddRange(await OwnThread.RunAsync(control.ForceAll).ConfigureAwait(false));
        }

        return report ?? throw Refused(control.IsHeld ? "the file systems are thawed; snapshot.Complete ends the rest" : NothingFrozen("nothing is frozen, and nothing was"));
    }

    /// <summary>Renews the lease; the calling session holds it from now on.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a time out of range, <see cref="ChannelError.FailedPrecondition"/> unless frozen.</exception>
    public FreezeReport Renew(RenewRequest request) =>
        control.TryRenew(options.CheckLease(request.LeaseMs)) ? Status() : throw Refused(NothingFrozen("nothing is frozen"));

    /// <summary>How it is.</summary>
    public FreezeReport Status() => control.Report();

    private string NothingFrozen(string first) => control.LastEnd is { Length: > 0 } end ? $"nothing is frozen any more: {end}" : first;

    private static ChannelException Refused(string message) => new(ChannelError.FailedPrecondition, ErrorClass.Refused, message);
}
