using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>What the guest answered to a power request.</summary>
/// <param name="Accepted">It will act.</param>
/// <param name="How">What it does, in its own escaped words.</param>
public sealed record PowerResult(bool Accepted, string How);

/// <summary>How a guest went.</summary>
public enum Departure
{
    /// <summary>It had accepted a request of this client.</summary>
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
    private volatile bool _isAccepted;

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
    public ValueTask<PowerResult> ForceAsync(PowerAction action, string reason = "", CancellationToken cancellationToken = default) => RequestAsync(action, reason, true, cancellationToken);

    /// <summary>Asks the guest to sleep; it goes on when its machine is woken.</summary>
    /// <param name="action">One of the suspends.</param>
    /// <param name="reason">For the guest's log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>; Unsupported if its kernel has no such state.</exception>
    public ValueTask<PowerResult> SuspendAsync(PowerAction action = PowerAction.SuspendRam, string reason = "", CancellationToken cancellationToken = default) => RequestAsync(action, reason, false, cancellationToken);

    /// <summary>
    /// Waits until the guest is gone: its agent said goodbye or stopped talking, or <paramref name="machineExited"/>
    /// (what the manager knows of the machine itself) has ended. Call it before the request, so that no event is missed.
    /// </summary>
    /// <param name="machineExited">Ends when the virtual machine has ended, if the manager can tell.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether it was asked to go, said so by itself, or went without a word.</returns>
    public async Task<Departure> WaitGoneAsync(Task? machineExited = null, CancellationToken cancellationToken = default)
    {
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
        var wasStopping = await goodbye.ConfigureAwait(false);
        return _isAccepted ? Departure.Asked : wasStopping ? Departure.Announced : Departure.Unannounced;
    }

    /// <summary>True if the last state that the guest told was that it is stopping.</summary>
    private static async Task<bool> WaitGoodbyeAsync(IAsyncEnumerable<ChannelEvent> events)
    {
        var wasStopping = false;
        try
        {
            await foreach (var next in events.ConfigureAwait(false))
            {
                wasStopping = next.Heartbeat is { } heartbeat ? heartbeat.State == StateWord.Stopping : wasStopping;
                if (next.Kind is ChannelEventKind.SessionLost or ChannelEventKind.LinkLost)
                {
                    return wasStopping;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The caller gave up, or the machine ended first.
        }

        return wasStopping;
    }

    private async ValueTask<PowerResult> RequestAsync(PowerAction action, string reason, bool force, CancellationToken cancellationToken)
    {
        var command = new PowerCommand { Action = action, Reason = reason, Force = force };
        var reply = await _instance.Channel.CallAsync(ServiceMethods.PowerRequest, command, new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
        _isAccepted = action is PowerAction.Shutdown or PowerAction.Reboot or PowerAction.Halt;
        return new PowerResult(reply.Accepted, GuestText.Escape(reply.How));
    }
}
