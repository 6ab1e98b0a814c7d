using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Hints;

/// <summary>
/// A jump of the wall clock against the time since the boot, by which programs or the hypervisor put right a clock that stood still. A jump
/// that the agent made itself is none.
/// </summary>
/// <param name="offset">The wall clock less the time since the boot, in nanoseconds.</param>
internal sealed class ClockHint(Func<long> offset) : IHintSource
{
    private const long Jump = 2_000_000_000;
    private long _last = offset();
    private volatile bool _isOwn;

    public string Name => "clock";

    public bool HasChanged()
    {
        var isOwn = _isOwn;
        _isOwn = false;
        var now = offset();
        var moved = now - _last;
        // Each time, so that a clock that is slowly put right never comes to a jump.
        _last = now;
        return !isOwn && moved is > Jump or < -Jump;
    }

    /// <summary>The agent has set the clock itself.</summary>
    public void Forgive() => _isOwn = true;

    public void Dispose()
    {
    }

    /// <summary>The clocks of this guest.</summary>
    public static unsafe long OfSystem()
    {
        TimeSpec wall;
        TimeSpec boot;
        _ = SystemCalls.ClockGetTime(Abi.CLOCK_REALTIME, &wall);
        _ = SystemCalls.ClockGetTime(Abi.CLOCK_BOOTTIME, &boot);
        return (wall.Seconds - boot.Seconds) * 1_000_000_000 + wall.Nanoseconds - boot.Nanoseconds;
    }
}
