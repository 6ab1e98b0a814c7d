using ChannelSdk.Channels;
using ChannelSdk.Host.Limits;
using ChannelSdk.Protocol.Errors;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.Host.Telemetry;

/// <summary>What one instance tells the host's log and metrics. Nothing here throws.</summary>
/// <param name="instance">Its name.</param>
/// <param name="logger">Takes the lines; its failures stay in it.</param>
/// <param name="metrics">Count.</param>
/// <param name="time">The clock.</param>
internal sealed class InstanceTelemetry(string instance, ILogger logger, HostMetrics metrics, TimeProvider time) : ICallObserver
{
    /// <summary>How long the last events may take to be logged when the instance is detached: a sink may hang.</summary>
    private static readonly TimeSpan s_lastEvents = TimeSpan.FromSeconds(5);

    private readonly List<Task> _followed = [];

    /// <summary>Lines a second that a guest can cause by its links and sessions; further ones are counted, not logged.</summary>
    public LineBudget EventLines { get; } = new(new InstanceLimits().EventLines, time);

    /// <inheritdoc/>
    public bool IsEnabled => metrics.AreCallsMeasured;

    /// <inheritdoc/>
    public void OnCallEnded(MethodDescriptor method, TimeSpan duration, ChannelError outcome) => metrics.AddCall(instance, method.Name, duration, outcome);

    /// <summary>Tells every event of a channel from now on, until it is disposed of.</summary>
    public void Follow(Channel channel) => _followed.Add(FollowAsync(channel.WatchAsync()));

    /// <summary>The instance is attached.</summary>
    public void Attached(string endpoint) => HostLog.InstanceAttached(logger, instance, endpoint);

    /// <summary>The instance's channels were disposed of: waits, a little, until their last events are told.</summary>
    public async Task DetachedAsync()
    {
        await Task.WhenAny(Task.WhenAll(_followed), Task.Delay(s_lastEvents)).ConfigureAwait(false);
        HostLog.InstanceDetached(logger, instance);
    }

    /// <summary>A call was refused here, or a privileged one was let through.</summary>
    /// <param name="isOfGuest">Whether the guest called.</param>
    /// <param name="method">The method; escaped, as the guest sent it.</param>
    /// <param name="refusal">Why it was refused; null: it was let through.</param>
    public void Audited(bool isOfGuest, string method, string? refusal)
    {
        if (refusal is null)
        {
            HostLog.CallAllowed(logger, instance, method);
        }
        else if (isOfGuest)
        {
            HostLog.GuestCallRefused(logger, instance, method, refusal);
        }
        else
        {
            HostLog.CallRefused(logger, instance, method, refusal);
        }
    }

    /// <summary>Counts a call that was refused here.</summary>
    public void Refused(bool isOfGuest, string method) => metrics.AddRefusal(instance, isOfGuest, method);

    /// <summary>An operator must know this at once. The text is safe to print.</summary>
    public void Alarmed(string text)
    {
        HostLog.Alarm(logger, instance, text);
        metrics.AddAlarm(instance);
    }

    /// <summary>The guest is frozen.</summary>
    public void FreezeTaken(TimeSpan lease)
    {
        HostLog.FreezeTaken(logger, instance, lease);
        metrics.AddFreeze(instance, "frozen");
    }

    /// <summary>The lease was renewed.</summary>
    public void FreezeRenewed(TimeSpan lease)
    {
        HostLog.FreezeRenewed(logger, instance, lease);
        metrics.AddFreeze(instance, "renewed");
    }

    /// <summary>The guest was thawed.</summary>
    public void FreezeThawed()
    {
        HostLog.FreezeThawed(logger, instance);
        metrics.AddFreeze(instance, "thawed");
    }

    /// <summary>A freeze, a renewal or a thaw failed.</summary>
    /// <param name="what">Which, as the beginning of a sentence.</param>
    /// <param name="error">Why; its text is safe to print.</param>
    public void FreezeFailed(string what, ChannelException error)
    {
        HostLog.FreezeFailed(logger, instance, what, error.Message);
        metrics.AddFreeze(instance, "failed");
    }

    private async Task FollowAsync(IAsyncEnumerable<ChannelEvent> events)
    {
        await foreach (var one in events.ConfigureAwait(false))
        {
            metrics.Add(instance, one.Kind, one.Error);
            if (EventLines.TryTake(out var dropped))
            {
                if (dropped > 0)
                {
                    HostLog.EventsDropped(logger, instance, $"{dropped} events before this one were not logged");
                }

                Log(one);
            }
        }
    }

    private void Log(ChannelEvent one)
    {
        switch (one.Kind)
        {
            case ChannelEventKind.LinkUp:
                HostLog.LinkUp(logger, instance, one.Text);
                break;
            case ChannelEventKind.LinkLost:
                HostLog.LinkLost(logger, instance, one.Error, one.Text);
                break;
            case ChannelEventKind.EndpointFailed:
                HostLog.EndpointFailed(logger, instance, one.Error, one.Text);
                break;
            case ChannelEventKind.SessionStarted:
                HostLog.SessionStarted(logger, instance, one.Text);
                break;
            case ChannelEventKind.SessionResumed:
                HostLog.SessionResumed(logger, instance, one.Text);
                break;
            case ChannelEventKind.SessionLost:
                HostLog.SessionLost(logger, instance, one.Error, one.Text);
                break;
            case ChannelEventKind.PeerState:
                HostLog.PeerState(logger, instance, one.Text);
                break;
            case ChannelEventKind.Fault:
                HostLog.Fault(logger, instance, one.Text);
                break;
            case ChannelEventKind.Dropped:
                HostLog.EventsDropped(logger, instance, one.Text);
                break;
        }
    }
}
