namespace ChannelSdk.Protocol;

/// <summary>
/// Bound of the memory for messages that are longer than their stream's credit covers. A call has a place for a largest message
/// here before its stream gets credit for more of it; the place is free again once the message was taken. Calls without one
/// wait in order, each held by its own stream's window, so what is begun and never ended stays within the bound, and every
/// message that has a place can be ended.
/// </summary>
/// <param name="maxMessage">Largest message accepted, bytes.</param>
/// <param name="bytes">The bound; two of the largest messages at least.</param>
internal sealed class AssemblyBudget(int maxMessage, int bytes)
{
    private readonly long _bytes = Math.Max(bytes, 2L * maxMessage);
    private readonly List<RpcCall> _waiting = [];
    private long _taken;

    /// <summary>Takes a place for the call's message, or has it wait for one.</summary>
    public bool TryTake(RpcCall call)
    {
        if (HasRoom(call))
        {
            StopWaiting(call);
            Take(call);
            return true;
        }

        if (!call.AwaitsPlace)
        {
            call.AwaitsPlace = true;
            _waiting.Add(call);
        }

        return false;
    }

    /// <summary>Gives the call's place back, and ends its waiting for one. True: there is room for another.</summary>
    public bool Free(RpcCall call)
    {
        StopWaiting(call);
        if (!call.HasPlace)
        {
            return false;
        }

        call.HasPlace = false;
        _taken -= maxMessage;
        return true;
    }

    /// <summary>Gives a place that was freed to the first call that waits and may have it.</summary>
    public bool TryGrant(out RpcCall call)
    {
        for (var i = 0; i < _waiting.Count; i++)
        {
            if (HasRoom(_waiting[i]))
            {
                call = _waiting[i];
                StopWaiting(call);
                Take(call);
                return true;
            }
        }

        call = null!;
        return false;
    }

    /// <summary>The call's message needs no place.</summary>
    public void StopWaiting(RpcCall call)
    {
        if (call.AwaitsPlace)
        {
            call.AwaitsPlace = false;
            _waiting.Remove(call);
        }
    }

    private void Take(RpcCall call)
    {
        call.HasPlace = true;
        _taken += maxMessage;
    }

    private bool HasRoom(RpcCall call)
    {
        // One place is for control alone. What nobody waits to read may lie here for long, and leaves room for what is taken at once.
        var most = call.Stream!.Class == StreamClass.Control ? _bytes : _bytes - maxMessage;
        most = call.IsWanted ? most : Math.Min(_bytes / 2, _bytes - 2L * maxMessage);
        return _taken + maxMessage <= most;
    }
}
