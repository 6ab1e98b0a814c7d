using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>What the guest answered to a power request.</summary>
/// <param name="Accepted">It will act.</param>
/// <param name="How">What it does, in its own escaped words.</param>
public sealed record PowerResult(bool Accepted, string How)
{
    /// <summary>
    /// Ends when the guest has gone because of the request; watched from before it was sent, so no event is missed. Null where
    /// nothing is to go: it was not accepted, or is a suspend. Cancelled if the instance is detached first.
    /// </summary>
    public Task<Departure>? Gone { get; init; }
}

/// <summary>How a guest went.</summary>
public enum Departure
{
    /// <summary>It had accepted a request of this client, and has not gone since.</summary>
    Asked,
    /// <summary>Nobody asked it here; its agent said before that it is on its way down.</summary>
    Announced,
    /// <summary>Without a word: it crashed, was killed, or lost its link.</summary>
    Unannounced,
}

/// <summary>Shutdown, reboot, halt, suspends. A refusal is a <see cref="ChannelException"/> with its reason.</summary>
public sealed class PowerClient
{
    private readonly Instance _instance;
    /// <summary>The departure that was accepted last.</summary>
    private volatile Task<Departure>? _asked;

    internal PowerClient(Instance instance) => _instance = instance;

    /// <summary>Asks the guest to stop and switch its power off.</summary>
    /// <exception cref="ChannelException">PermissionDenied, FailedPrecondition (an action is under way), or the call failed.</exception>
    public ValueTask<PowerResult> ShutdownAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Shutdown, reason, false, cancellationToken);

    /// <summary>Asks the guest to stop and start again.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public ValueTask<PowerResult> RebootAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Reboot, reason, false, cancellationToken);

    /// <summary>Asks the guest to stop and leave the power on.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public ValueTask<PowerResult> HaltAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Halt, reason, false, cancellationToken);

    /// <summary>As the three above, without the guest's init system: services do not stop in order.</summary>
    /// <param name="action">Shutdown, reboot or halt.</param>
    /// <param name="reason">For the guest's log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>; Unsupported if the agent may not.</exception>
    public ValueTask<PowerResult> ForceAsync(PowerAction action, string reason = "", CancellationToken cancellationToken = default)
    {
        if (!IsDeparture(action))
        {
            throw new ArgumentOutOfRangeException(nameof(action), $"{nameof(action)} is {action}; Shutdown, Reboot and Halt can be forced");
        }

        return RequestAsync(action, reason, true, cancellationToken);
    }

    /// <summary>Asks the guest to sleep; it goes on when its machine is woken.</summary>
    /// <param name="action">One of the suspends.</param>
    /// <param name="reason">For the guest's log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>; Unsupported if its kernel has no such state.</exception>
    public ValueTask<PowerResult> SuspendAsync(PowerAction action = PowerAction.SuspendRam, string reason = "", CancellationToken cancellationToken = default)
    {
        OptionCheck.Defined(action);
        if (IsDeparture(action))
        {
            throw new ArgumentOutOfRangeException(nameof(action), $"{nameof(action)} is {action}, which is no suspend");
        }

        return RequestAsync(action, reason, false, cancellationToken);
    }

    /// <summary>
    /// Waits until the guest is gone: its agent said goodbye or stopped talking, or <paramref name="machineExited"/>
    /// (what the manager knows of the machine itself) has ended. For a departure that was asked for here, <see cref="PowerResult.Gone"/>
    /// is simpler: this one sees only what happens after it was called.
    /// </summary>
    /// <param name="machineExited">Ends when the virtual machine has ended, if the manager can tell.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether it was asked to go, said so by itself, or went without a word.</returns>
    public async Task<Departure> WaitGoneAsync(Task? machineExited = null, CancellationToken cancellationToken = default)
    {
        var before = _asked;
        var isOpen = before is { IsCompleted: false };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var goodbye = WaitGoodbyeAsync(_instance.Channel.WatchAsync(stop.Token));
        var first = await Task.WhenAny(machineExited is null ? [goodbye] : [goodbye, machineExited]).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (machineExited is not null && first == goodbye)
        {
            // The agent has gone; the machine itself is the better witness and follows at once.
            await machineExited.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        await stop.CancelAsync().ConfigureAwait(false);
        var (wasStopping, _) = await goodbye.ConfigureAwait(false);
        // A departure that was over before this call is not this one.
        return isOpen || _asked != before ? Departure.Asked : wasStopping ? Departure.Announced : Departure.Unannounced;
    }

    /// <summary>Whether the last state that the guest told was that it is stopping; and whether it went.</summary>
    private static async Task<(bool WasStopping, bool HasGone)> WaitGoodbyeAsync(IAsyncEnumerable<ChannelEvent> events)
    {
        var wasStopping = false;
        try
        {
            await foreach (var next in events.ConfigureAwait(false))
            {
                wasStopping = next.Heartbeat is { } heartbeat ? heartbeat.State == StateWord.Stopping : wasStopping;
                if (next.Kind is ChannelEventKind.SessionLost or ChannelEventKind.LinkLost)
                {
                    return (wasStopping, true);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The caller gave up, or the machine ended first.
        }

        return (wasStopping, false);
    }

    private static bool IsDeparture(PowerAction action) => action is PowerAction.Shutdown or PowerAction.Reboot or PowerAction.Halt;

    private async ValueTask<PowerResult> RequestAsync(PowerAction action, string reason, bool force, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reason);
        var command = new PowerCommand { Action = action, Reason = reason, Force = force };
        var stop = new CancellationTokenSource();
        var goodbye = WaitGoodbyeAsync(_instance.Channel.WatchAsync(stop.Token));
        var isKept = false;
        try
        {
            var reply = await _instance.Channel.CallAsync(ServiceMethods.PowerRequest, command, new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
            isKept = reply.Accepted && IsDeparture(action);
            var gone = isKept ? GoneAsync(goodbye, stop) : null;
            _asked = gone ?? _asked;
            return new PowerResult(reply.Accepted, GuestText.Escape(reply.How)) { Gone = gone };
        }
        finally
        {
            if (!isKept)
            {
                await stop.CancelAsync().ConfigureAwait(false);
                stop.Dispose();
            }
        }
    }

    private static async Task<Departure> GoneAsync(Task<(bool WasStopping, bool HasGone)> goodbye, CancellationTokenSource stop)
    {
        using (stop)
        {
            return (await goodbye.ConfigureAwait(false)).HasGone ? Departure.Asked : throw new OperationCanceledException("the instance was detached before the guest had gone");
        }
    }
}
