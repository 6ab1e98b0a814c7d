namespace ChannelSdk.Runtime.Tests;

/// <summary>The system's clock, of which a test says from when on a wait is long enough for a machine with much to do.</summary>
internal sealed class PatientClock : TimeProvider
{
    private const int Times = 200;

    public bool IsPatient { get; set; }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, IsPatient && dueTime > TimeSpan.Zero ? dueTime * Times : dueTime, period);
}
