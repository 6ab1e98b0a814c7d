namespace ChannelSdk.Runtime.Tests;

/// <summary>A clock that stands still until it is set; its timers are the system's.</summary>
internal sealed class HandClock : TimeProvider
{
    public long Microseconds { get; set; } = 1_000_000_000;

    public override long TimestampFrequency => 1_000_000;

    public override long GetTimestamp() => Microseconds;
}
