namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>The user of a connection. Called under the lock of the router's owner: it may only take notes and schedule.</summary>
internal interface IVsockUser
{
    /// <summary>Whether it waits for bytes with memory of its own, and would rather take them from the guest itself.</summary>
    bool IsReceiving { get; }

    /// <summary>Bytes came into an empty buffer, or the receiving direction ended.</summary>
    void OnReadable();

    /// <summary>The connection was accepted, credit came that was waited for, or the sending direction ended.</summary>
    void OnWritable();
}

/// <summary>Packets to be sent for a connection besides data, in this order.</summary>
[Flags]
internal enum VsockPending
{
    None = 0,
    Request = 1,
    Response = 2,
    CreditUpdate = 4,
    CreditRequest = 8,
    Shutdown = 16,
}

/// <summary>Where a connection is in its life.</summary>
internal enum VsockState
{
    /// <summary>We asked for it and have no answer yet.</summary>
    Requested,
    /// <summary>Data may flow in the directions that are not shut down.</summary>
    Established,
    /// <summary>Our user has left; the peer has not confirmed it yet. Further bytes are dropped.</summary>
    Leaving,
    /// <summary>Over, and no longer in the router's table.</summary>
    Closed,
}

/// <summary>
/// One stream connection between a port of the host and one of the guest (virtio 1.2, section 5.10.6). Only
/// <see cref="VsockRouter"/> changes its state.
/// </summary>
/// <param name="hostPort">Our port.</param>
/// <param name="guestPort">The guest's port.</param>
/// <param name="capacity">The bytes that may wait here for the user.</param>
internal sealed class VsockConnection(uint hostPort, uint guestPort, uint capacity)
{
    /// <summary>The credit of both directions.</summary>
    internal VsockCredit Credit = new(capacity);

    internal uint HostPort => hostPort;

    internal uint GuestPort => guestPort;

    internal VsockState State { get; set; }

    /// <summary>What the guest will no longer do.</summary>
    internal VsockShutdown PeerShutdown { get; set; }

    /// <summary>What we will no longer do.</summary>
    internal VsockShutdown OurShutdown { get; set; }

    /// <summary>Received bytes that wait for the user.</summary>
    internal ByteRing Incoming { get; } = new();

    internal IVsockUser? User { get; set; }

    internal VsockPending Pending { get; set; }

    /// <summary>Whether it stands in the router's queue of control packets.</summary>
    internal bool IsQueued { get; set; }

    /// <summary>Whether a send waits for credit.</summary>
    internal bool WaitsForCredit { get; set; }

    /// <summary>Whether a send waits for the guest to give receive buffers.</summary>
    internal bool WaitsForBuffers { get; set; }

    /// <summary>Its place among the leaving connections.</summary>
    internal LinkedListNode<VsockConnection>? Leaving { get; set; }

    /// <summary>Whether no more bytes will come.</summary>
    internal bool HasReceivedAll => State is VsockState.Leaving or VsockState.Closed || (PeerShutdown & VsockShutdown.Send) != 0;

    /// <summary>Whether the guest accepts no more bytes.</summary>
    internal bool CannotSend => State is VsockState.Leaving or VsockState.Closed
        || (PeerShutdown & VsockShutdown.Receive) != 0 || (OurShutdown & VsockShutdown.Send) != 0;
}
