using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>
/// Bound of the memory for messages that are longer than their stream's credit covers. A call has a slot for a largest message
/// here before its stream gets credit for more of it; the slot is free again once the message was taken. Calls without one
/// wait in order, each held by its own stream's window, so what is begun and never ended stays within the bound, and every
/// message that has a slot can be ended.
/// </summary>
/// <param name="maxMessage">Largest message accepted, bytes.</param>
/// <param name="bytes">The bound; two of the largest messages at least.</param>
internal sealed class AssemblyBudget(int maxMessage, int bytes)
{
    private readonly long _bytes = Math.Max(bytes, 2L * maxMessage);
    private readonly List<SessionCall> _waiting = [];
    private long _taken;

    /// <summary>Takes a slot for the call's message, or has it wait for one.</summary>
    public bool TryAcquireSlot(SessionCall call)
    {
        if (HasRoom(call))
        {
            StopWaiting(call);
            AcquireSlot(call);
            return true;
        }

        if (!call.AwaitsSlot)
        {
            call.AwaitsSlot = true;
            _waiting.Add(call);
        }

        return false;
    }

    /// <summary>Gives the call's slot back, and ends its wait for one. True: there is room for another.</summary>
    public bool Free(SessionCall call)
    {
        StopWaiting(call);
        if (!call.HasSlot)
        {
            return false;
        }

        call.HasSlot = false;
        _taken -= maxMessage;
        return true;
    }

    /// <summary>Takes up a call that had a slot, or waited for one, in another process.</summary>
    public void Load(SessionCall call)
    {
        if (call.HasSlot)
        {
            _taken += maxMessage;
        }
        else if (call.AwaitsSlot)
        {
            _waiting.Add(call);
        }
    }

    /// <summary>Gives a freed slot to the first waiting call that may have it.</summary>
    public bool TryGrant(out SessionCall call)
    {
        for (var i = 0; i < _waiting.Count; i++)
        {
            if (HasRoom(_waiting[i]))
            {
                call = _waiting[i];
                StopWaiting(call);
                AcquireSlot(call);
                return true;
            }
        }

        call = null!;
        return false;
    }

    /// <summary>The call's message needs no slot.</summary>
    public void StopWaiting(SessionCall call)
    {
        if (call.AwaitsSlot)
        {
            call.AwaitsSlot = false;
            _waiting.Remove(call);
        }
    }

    private void AcquireSlot(SessionCall call)
    {
        call.HasSlot = true;
        _taken += maxMessage;
    }

    private bool HasRoom(SessionCall call)
    {
        // One slot is for control alone. Messages that no reader waits for may stay for long, and leave room for awaited ones.
        var most = call.Stream!.Class == StreamClass.Control ? _bytes : _bytes - maxMessage;
        most = call.IsWanted ? most : Math.Min(_bytes / 2, _bytes - 2L * maxMessage);
        return _taken + maxMessage <= most;
    }
}
