using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.HostEndpoint.Policy;

/// <summary>Asks the host's policy at each call of one instance and keeps the record of it.</summary>
/// <param name="instance">Its name.</param>
/// <param name="options">Policy and record.</param>
/// <param name="time">The clock.</param>
internal sealed class InstanceGuard(string instance, InstanceOptions options, TimeProvider time) : ICallGuard
{
    /// <summary>Lines a second that a guest can cause; what is above it is counted in the next one.</summary>
    private const int MaxGuestLines = 10;

    /// <summary>Seconds between two alarms about a record that cannot be written.</summary>
    private const int AlarmGap = 60;

    private readonly Lock _gate = new();
    private long _second;
    private int _lines;
    private long _dropped;
    private long _nextAlarm = long.MinValue;

    /// <summary>Told of each failure of the record's sink.</summary>
    public Action<Exception>? SinkFailed { get; set; }

    /// <inheritdoc/>
    public void OnCalling(string method, bool isPrivileged)
    {
        if (!HostPolicy.Allows(options.Policy.HostMay, method))
        {
            Refuse(CallDirection.ToGuest, method, $"the host's policy does not allow {method} (host_may)");
        }
        else if (isPrivileged)
        {
            Record(CallDirection.ToGuest, method, null);
        }
    }

    /// <inheritdoc/>
    public void OnCalled(string untrustedMethod, bool isServed)
    {
        var method = GuestText.Escape(untrustedMethod, 128);
        if (!isServed)
        {
            RecordOfGuest(method, "it is not served to this guest");
        }
        else if (!HostPolicy.Allows(options.Policy.GuestMay, method))
        {
            var reason = $"the host's policy does not allow {method} (guest_may)";
            RecordOfGuest(method, reason);
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
        }
    }

    private void Refuse(CallDirection direction, string method, string reason)
    {
        Record(direction, method, reason);
        throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
    }

    private void RecordOfGuest(string method, string reason)
    {
        lock (_gate)
        {
            var second = time.GetTimestamp() / time.TimestampFrequency;
            (_lines, _second) = second == _second ? (_lines + 1, _second) : (1, second);
            if (_lines > MaxGuestLines)
            {
                _dropped++;
                return;
            }

            reason = _dropped > 0 ? $"{reason} ({_dropped} more were refused before)" : reason;
            _dropped = 0;
        }

        Record(CallDirection.ToHost, method, reason);
    }

    /// <summary>The record is for the operator: that it cannot be written is told, and neither a call nor the channel ends by it.</summary>
    private void Record(CallDirection direction, string method, string? refusal)
    {
        try
        {
            options.Audit?.Invoke(new AuditRecord(time.GetUtcNow(), instance, direction, method, refusal));
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
            options.Alarm($"{instance}: the audit record cannot be written ({(e is IOException or UnauthorizedAccessException ? FileFault.Describe(e) : $"{e.GetType().Name}: {e.Message}")}); calls go on without it");
        }
        catch (Exception)
        {
            // Both ways to the operator are shut; the channel's event is left.
        }
    }
}
