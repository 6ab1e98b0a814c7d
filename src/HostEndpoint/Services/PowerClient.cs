using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>What the guest answered to a power request.</summary>
/// <param name="Accepted">It will act.</param>
/// <param name="How">What it does, in its own escaped words.</param>
public sealed record PowerResult(bool Accepted, string How);

/// <summary>Shutdown, reboot, halt. A refusal is a <see cref="ChannelException"/> with its reason.</summary>
public sealed class PowerClient
{
    private readonly Instance _instance;

    internal PowerClient(Instance instance) => _instance = instance;

    /// <summary>Asks the guest to stop and switch its power off.</summary>
    /// <exception cref="ChannelException">PermissionDenied, FailedPrecondition (an action is under way), or the call failed.</exception>
    public ValueTask<PowerResult> ShutdownAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Shutdown, reason, cancellationToken);

    /// <summary>Asks the guest to stop and start again.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public ValueTask<PowerResult> RebootAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Reboot, reason, cancellationToken);

    /// <summary>Asks the guest to stop and leave the power on.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public ValueTask<PowerResult> HaltAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Halt, reason, cancellationToken);

    /// <summary>
    /// Waits until the guest is gone: its agent said goodbye or stopped talking, or <paramref name="machineExited"/>
    /// (what the manager knows of the machine itself) has ended. Call it before the request, so that no event is missed.
    /// </summary>
    /// <param name="machineExited">Ends when the virtual machine has ended, if the manager can tell.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task WaitGoneAsync(Task? machineExited = null, CancellationToken cancellationToken = default)
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
    }

    private static async Task WaitGoodbyeAsync(IAsyncEnumerable<ChannelEvent> events)
    {
        try
        {
            await foreach (var next in events.ConfigureAwait(false))
            {
                if (next.Kind is ChannelEventKind.SessionLost or ChannelEventKind.LinkLost)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The caller gave up, or the machine ended first.
        }
    }

    private async ValueTask<PowerResult> RequestAsync(PowerAction action, string reason, CancellationToken cancellationToken)
    {
        var command = new PowerCommand { Action = action, Reason = reason };
        var reply = await _instance.Channel.CallAsync(ServiceMethods.PowerRequest, command, new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
        return new PowerResult(reply.Accepted, GuestText.Escape(reply.How));
    }
}
