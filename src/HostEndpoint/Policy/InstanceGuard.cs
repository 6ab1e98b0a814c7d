using ChannelSdk.Channels;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services;

namespace ChannelSdk.Host.Policy;

/// <summary>Asks the host's policy at each call of one instance and keeps the record of it.</summary>
/// <param name="instance">Its name.</param>
/// <param name="policy">What is allowed.</param>
/// <param name="audit">Takes the record; null: there is none.</param>
/// <param name="alarm">Told when the record cannot be written.</param>
/// <param name="telemetry">Logs and counts.</param>
/// <param name="time">The clock.</param>
internal sealed class InstanceGuard(
    string instance, HostPolicy policy, Action<AuditRecord>? audit, Action<string> alarm, InstanceTelemetry telemetry, TimeProvider time) : ICallGuard
{
    /// <summary>Stands for every method that this host does not have.</summary>
    private const string OtherMethod = "_OTHER";

    /// <summary>Seconds between two alarms about a record that cannot be written.</summary>
    private const int AlarmGap = 60;

    private readonly Lock _gate = new();
    private long _nextAlarm = long.MinValue;

    /// <summary>Lines a second that a guest can cause; further ones are counted in the next line.</summary>
    public LineBudget GuestLines { get; } = new(new InstanceLimits().RefusalLines, time);

    /// <summary>Told of each failure of the record's sink.</summary>
    public Action<Exception>? SinkFailed { get; set; }

    /// <inheritdoc/>
    public void OnCalling(string method, bool isPrivileged)
    {
        if (!MethodPattern.Matches(policy.HostMay, method))
        {
            var reason = $"the host's policy does not allow {method} ([services] allow)";
            telemetry.Refused(isOfGuest: false, method);
            Record(CallDirection.ToGuest, method, reason);
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
        }
        else if (isPrivileged)
        {
            Record(CallDirection.ToGuest, method, null);
        }
    }

    /// <inheritdoc/>
    public void OnCalled(string untrustedMethod, bool isServed)
    {
        var method = SafeText.Escape(untrustedMethod, 128);
        if (!isServed)
        {
            telemetry.Refused(isOfGuest: true, OtherMethod);
            RecordOfGuest(method, "it is not served to this guest");
        }
        else if (!MethodPattern.Matches(policy.GuestMay, method))
        {
            var reason = $"the host's policy does not allow {method} ([guest] allow)";
            telemetry.Refused(isOfGuest: true, method);
            RecordOfGuest(method, reason);
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
        }
    }

    private void RecordOfGuest(string method, string reason)
    {
        if (GuestLines.TryTake(out var dropped))
        {
            Record(CallDirection.ToHost, method, dropped > 0 ? $"{reason} ({dropped} more were refused before)" : reason);
        }
    }

    /// <summary>The record is for the operator: that it cannot be written is told, and neither a call nor the channel ends by it.</summary>
    private void Record(CallDirection direction, string method, string? refusal)
    {
        var record = new AuditRecord(time.GetUtcNow(), instance, direction, method, refusal);
        telemetry.Audited(direction == CallDirection.ToHost, method, refusal);
        try
        {
            audit?.Invoke(record);
        }
        catch (Exception e)
        {
            AlarmOf(e);
            SinkFailed?.Invoke(e);
        }
    }

    private void AlarmOf(Exception e)
    {
        lock (_gate)
        {
            var second = time.GetTimestamp() / time.TimestampFrequency;
            if (second < _nextAlarm)
            {
                return;
            }

            _nextAlarm = second + AlarmGap;
        }

        try
        {
            alarm($"{instance}: the audit record cannot be written ({(e is IOException or UnauthorizedAccessException ? FileFault.Describe(e) : $"{e.GetType().Name}: {e.Message}")}); calls go on without it");
        }
        catch (Exception)
        {
            // Both ways to the operator are shut; the channel's event is left.
        }
    }
}
