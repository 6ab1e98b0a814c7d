using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Power;

namespace ChannelSdk.Host.Power;

/// <summary>What the guest answered to a power request.</summary>
/// <param name="Accepted">It will act.</param>
/// <param name="How">What it does; the guest's text, escaped.</param>
public sealed record PowerResult(bool Accepted, string How)
{
    /// <summary>
    /// Ends when the guest has gone because of the request; watched since before it was sent, so no event is missed. Null where
    /// the guest stays: the request was not accepted, or is a suspend. Cancelled if the instance is detached first.
    /// </summary>
    public Task<Departure>? Gone { get; init; }
}

/// <summary>How a guest went.</summary>
public enum Departure
{
    /// <summary>It had accepted a request of this client, and has not gone since.</summary>
    Asked,
    /// <summary>The host did not ask; its agent said before that it stops.</summary>
    Announced,
    /// <summary>Without notice: it crashed, was killed, or lost its link.</summary>
    Unannounced,
}

/// <summary>Shutdown, reboot, halt, suspends. A refusal is a <see cref="ChannelException"/> with its reason.</summary>
public sealed class PowerClient
{
    private readonly AgentConnection _connection;
    /// <summary>The departure that was accepted last.</summary>
    private volatile Task<Departure>? _asked;

    internal PowerClient(AgentConnection connection) => _connection = connection;

    /// <summary>Asks the guest to stop and switch its power off.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.FailedPrecondition"/> (an action is under way), or the call failed.</exception>
    public Task<PowerResult> ShutdownAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Shutdown, reason, false, cancellationToken);

    /// <summary>Asks the guest to stop and start again.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public Task<PowerResult> RebootAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Reboot, reason, false, cancellationToken);

    /// <summary>Asks the guest to stop and leave the power on.</summary>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>.</exception>
    public Task<PowerResult> HaltAsync(string reason = "", CancellationToken cancellationToken = default) => RequestAsync(PowerAction.Halt, reason, false, cancellationToken);

    /// <summary>As the three above, without the guest's init system: services do not stop in order.</summary>
    /// <param name="action">Which of them.</param>
    /// <param name="reason">For the guest's log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>; <see cref="ChannelError.Unsupported"/> if the agent may not.</exception>
    public Task<PowerResult> ForceAsync(StopAction action, string reason = "", CancellationToken cancellationToken = default)
    {
        OptionCheck.Defined(action);
        return RequestAsync((PowerAction)action, reason, true, cancellationToken);
    }

    /// <summary>Asks the guest to sleep; it goes on when its machine is woken.</summary>
    /// <param name="mode">How deep.</param>
    /// <param name="reason">For the guest's log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">As for <see cref="ShutdownAsync"/>; <see cref="ChannelError.Unsupported"/> if its kernel has no such state.</exception>
    public Task<PowerResult> SuspendAsync(SuspendMode mode = SuspendMode.Ram, string reason = "", CancellationToken cancellationToken = default)
    {
        OptionCheck.Defined(mode);
        return RequestAsync((PowerAction)mode, reason, false, cancellationToken);
    }

    /// <summary>
    /// Waits until the guest is gone: its agent said goodbye or fell silent, or <paramref name="machineExited"/>
    /// (what the manager knows of the machine itself) has ended. For a departure that this host requested, <see cref="PowerResult.Gone"/>
    /// is simpler: this method sees only later events.
    /// </summary>
    /// <param name="machineExited">Ends when the virtual machine has ended, if the manager can tell.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether the host asked for it, the guest announced it, or it came without notice.</returns>
    public async Task<Departure> WaitGoneAsync(Task? machineExited = null, CancellationToken cancellationToken = default)
    {
        var before = _asked;
        var isOpen = before is { IsCompleted: false };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var goodbye = WaitGoodbyeAsync(_connection.Channel.WatchAsync(stop.Token));
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

    private async Task<PowerResult> RequestAsync(PowerAction action, string reason, bool force, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reason);
        var command = new PowerCommand { Action = action, Reason = reason, Force = force };
        var stop = new CancellationTokenSource();
        var goodbye = WaitGoodbyeAsync(_connection.Channel.WatchAsync(stop.Token));
        var isKept = false;
        try
        {
            var reply = await _connection.Channel.CallAsync(PowerMethods.Request, command, new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false);
            isKept = reply.Accepted && IsDeparture(action);
            var gone = isKept ? GoneAsync(goodbye, stop) : null;
            _asked = gone ?? _asked;
            return new PowerResult(reply.Accepted, SafeText.Escape(reply.How)) { Gone = gone };
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
