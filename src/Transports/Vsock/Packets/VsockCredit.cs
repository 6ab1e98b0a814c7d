namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>
/// The credit of one connection in both directions (virtio 1.2, section 5.10.6.3). All counters are free-running and
/// wrap at 2^32, so only differences mean anything.
/// </summary>
/// <param name="capacity">The bytes that this side is ready to hold.</param>
internal struct VsockCredit(uint capacity)
{
    private uint _peerCapacity;
    private uint _peerForwarded;
    private uint _sent;
    private uint _received;
    private uint _forwarded;
    private uint _announced;

    /// <summary>What our packets say as buf_alloc.</summary>
    internal readonly uint Capacity => capacity;

    /// <summary>What our packets say as fwd_cnt.</summary>
    internal readonly uint Forwarded => _forwarded;

    /// <summary>The bytes that may be sent now.</summary>
    internal readonly uint Available
    {
        get
        {
            var inFlight = _sent - _peerForwarded;
            // A peer may make its buffer smaller while bytes are under way.
            return inFlight < _peerCapacity ? _peerCapacity - inFlight : 0;
        }
    }

    /// <summary>Whether the peer should be told how much was consumed: it may believe that half of our room is taken.</summary>
    internal readonly bool UpdateIsDue => _forwarded - _announced >= capacity / 2;

    /// <summary>Takes the credit fields of a packet. False if they say that more was consumed than was ever sent.</summary>
    internal bool Update(uint peerCapacity, uint peerForwarded)
    {
        var advance = (int)(peerForwarded - _peerForwarded);
        if (advance > 0 && (uint)advance > _sent - _peerForwarded)
        {
            return false;
        }
        // Linux fills the fields before it queues the packet, so two of its threads may queue them in the other
        // order: a count that goes back is an old one.
        if (advance >= 0)
        {
            _peerForwarded = peerForwarded;
            _peerCapacity = peerCapacity;
        }

        return true;
    }

    /// <summary>Counts bytes that came. False if the peer had no credit for them.</summary>
    internal bool Receive(uint bytes)
    {
        if (bytes > capacity - (_received - _forwarded))
        {
            return false;
        }

        _received += bytes;
        return true;
    }

    /// <summary>Counts received bytes that were consumed.</summary>
    internal void Forward(uint bytes) => _forwarded += bytes;

    /// <summary>Counts bytes that were sent, at most <see cref="Available"/>.</summary>
    internal void Send(uint bytes) => _sent += bytes;

    /// <summary>A packet with our credit fields goes out.</summary>
    internal void Announce() => _announced = _forwarded;
}
