using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>
/// Deadlines of calls: a hashed timing wheel (G. Varghese, A. Lauck, 1987) of 16 ms slots. Adding and removing are O(1)
/// and leave nothing behind, so a million calls that end in time cost a million links, not a growing heap.
/// </summary>
internal sealed class DeadlineWheel
{
    private const long Tick = 16_000;
    private const int Slots = 512;
    private readonly RpcCall?[] _slots = new RpcCall?[Slots];
    private long _position = -1;

    public int Count { get; private set; }

    /// <summary>A time at or before the earliest deadline.</summary>
    public long NextDeadline { get; private set; } = Link.Never;

    public void Add(RpcCall call, long deadline)
    {
        call.Deadline = deadline;
        var slot = (int)(deadline / Tick % Slots);
        call.WheelSlot = slot;
        call.WheelPrevious = null;
        call.WheelNext = _slots[slot];
        if (call.WheelNext is { } next)
        {
            next.WheelPrevious = call;
        }

        _slots[slot] = call;
        Count++;
        NextDeadline = Math.Min(NextDeadline, deadline);
    }

    public void Remove(RpcCall call)
    {
        if (call.WheelSlot < 0)
        {
            return;
        }

        if (call.WheelPrevious is { } previous)
        {
            previous.WheelNext = call.WheelNext;
        }
        else
        {
            _slots[call.WheelSlot] = call.WheelNext;
        }

        if (call.WheelNext is { } next)
        {
            next.WheelPrevious = call.WheelPrevious;
        }

        (call.WheelPrevious, call.WheelNext, call.WheelSlot) = (null, null, -1);
        if (--Count == 0)
        {
            NextDeadline = Link.Never;
        }
    }

    /// <summary>Takes one call out whose deadline has passed, or says when to come again.</summary>
    public RpcCall? TakeExpired(long now)
    {
        if (Count == 0 || now < NextDeadline)
        {
            return null;
        }

        var last = now / Tick;
        // The clock may have begun less than one turn of the wheel ago.
        var first = Math.Max(Math.Max(_position, 0), last - Slots + 1);
        for (var position = first; position <= last; position++)
        {
            for (var call = _slots[position % Slots]; call is not null; call = call.WheelNext)
            {
                if (call.Deadline <= now)
                {
                    _position = position;
                    Remove(call);
                    return call;
                }
            }
        }

        _position = last;
        NextDeadline = FindNext();
        return null;
    }

    private long FindNext()
    {
        var next = Link.Never;
        foreach (var head in _slots)
        {
            for (var call = head; call is not null; call = call.WheelNext)
            {
                next = Math.Min(next, call.Deadline);
            }
        }

        return next;
    }
}
