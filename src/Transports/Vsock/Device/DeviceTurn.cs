using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// What one guest takes of the I/O thread: counts the work of a turn, and lets the rings rest after one that was used
/// up. Everything is called under the device's lock.
/// </summary>
internal sealed class DeviceTurn : IDisposable
{
    /// <summary>Descriptors that are read in one turn; more wait for the next one. Packets of Linux' driver have two.</summary>
    private const int TurnDescriptors = 1024;

    /// <summary>What a descriptor counts of the I/O thread's turn, in bytes.</summary>
    private const int DescriptorCost = 128;

    /// <summary>
    /// How long the rings rest after a turn that was used up. Ordinary traffic hardly ever uses one up; a guest whose rings never
    /// run dry gets a tenth of the I/O thread by this, and the other instances' work finds the thread asleep, not at the end of
    /// its time slice.
    /// </summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(1);

    private readonly Lock _gate;
    private readonly IoReactor _reactor;
    private readonly IReactorWork _pump;
    private readonly Timer _restTimer;
    private bool _pumpIsScheduled;
    private int _work;

    /// <summary>Makes it.</summary>
    /// <param name="gate">The device's lock, which the end of a rest takes itself.</param>
    /// <param name="reactor">Where the device runs.</param>
    /// <param name="pump">What works on the rings; it begins with <see cref="TryBeginPump"/>.</param>
    internal DeviceTurn(Lock gate, IoReactor reactor, IReactorWork pump)
    {
        (_gate, _reactor, _pump) = (gate, reactor, pump);
        _restTimer = new Timer(static state => ((DeviceTurn)state!).EndRest(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>Whether nothing may be taken from the rings now; the pump runs when the rest is over.</summary>
    internal bool IsResting { get; private set; }

    /// <summary>Whether this turn may read no more descriptors.</summary>
    internal bool IsUsedUp => _work >= TurnDescriptors;

    /// <summary>Counts descriptors that were read.</summary>
    internal void Count(int descriptors) => _work += descriptors;

    /// <summary>Counts the work of a call, or of a part of it, against the I/O thread's turn.</summary>
    internal void End()
    {
        var cost = _work * DescriptorCost;
        _work = 0;
        // What an ordinary packet takes is in the cost of the operation.
        if (cost > IoReactor.OperationCost)
        {
            _reactor.Charge(cost);
        }
    }

    /// <summary>Lets the pump run in a turn of its own.</summary>
    internal void SchedulePump()
    {
        if (!_pumpIsScheduled)
        {
            _pumpIsScheduled = true;
            _reactor.Schedule(_pump);
        }
    }

    /// <summary>Begins a run of the pump. False if the rings rest.</summary>
    internal bool TryBeginPump()
    {
        _pumpIsScheduled = false;
        return !IsResting;
    }

    /// <summary>Lets the rings rest.</summary>
    internal void Rest()
    {
        if (!IsResting)
        {
            IsResting = true;
            _restTimer.Change(s_rest, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _restTimer.Dispose();

    private void EndRest()
    {
        lock (_gate)
        {
            IsResting = false;
            SchedulePump();
        }
    }
}
