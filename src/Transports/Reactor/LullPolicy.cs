using System.Diagnostics;

namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// Whether the next wait is worth polling before the thread sleeps. A processor that fell asleep takes tens of microseconds to
/// wake, in a guest most of all; so while the other side answers sooner than that, its answer is polled for. The policy of KVM's
/// own waits (Linux, Documentation/virt/kvm/halt-polling.rst) with one length of polling.
/// </summary>
internal struct LullPolicy
{
    /// <summary>The longest poll: 30 us.</summary>
    internal static readonly long MostTicks = Stopwatch.Frequency * 30 / 1_000_000;

    // What a sleep that polling would have spared may take: the poll, and the wake itself.
    private static readonly long s_shortTicks = Stopwatch.Frequency * 100 / 1_000_000;
    private const int Full = 8;
    private const int Enough = 4;
    private const int MissCost = 4;
    private int _trust;

    /// <summary>Whether to poll.</summary>
    internal readonly bool IsWorthPolling => _trust >= Enough;

    /// <summary>A poll found something, or nothing.</summary>
    internal void NotePoll(bool found) => _trust = found ? Full : _trust - MissCost;

    /// <summary>A sleep that took so long.</summary>
    internal void NoteSleep(long ticks) => _trust = ticks < s_shortTicks ? Math.Min(_trust + 1, Full) : 0;
}
