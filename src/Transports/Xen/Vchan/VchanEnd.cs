using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// One side of a vchan over its memory, without any system call: bytes in and out, and when the other side is to be woken.
/// One thread may receive while another sends.
/// </summary>
internal sealed unsafe class VchanEnd
{
    /// <summary>Nothing to receive, or no room to send; the other side was asked to tell when that changes.</summary>
    internal const int Wait = -1;

    private readonly byte* _page;
    private readonly bool _isServer;
    private VchanRing _incoming;
    private VchanRing _outgoing;
    private volatile bool _isPeerLost;

    /// <summary>A side of a channel whose orders were checked.</summary>
    /// <param name="isServer">Whether this side granted the memory.</param>
    /// <param name="page">The shared page.</param>
    /// <param name="left">The bytes of the ring that the client writes.</param>
    /// <param name="leftOrder">Log2 of their number.</param>
    /// <param name="right">The bytes of the ring that the server writes.</param>
    /// <param name="rightOrder">Log2 of their number.</param>
    internal VchanEnd(bool isServer, byte* page, byte* left, int leftOrder, byte* right, int rightOrder)
    {
        _page = page;
        _isServer = isServer;
        var leftRing = new VchanRing(page + VchanLayout.LeftConsumed, left, leftOrder, isIncoming: isServer);
        var rightRing = new VchanRing(page + VchanLayout.RightConsumed, right, rightOrder, isIncoming: !isServer);
        (_incoming, _outgoing) = isServer ? (leftRing, rightRing) : (rightRing, leftRing);
    }

    /// <summary>The other side's live byte.</summary>
    internal byte PeerLive => Volatile.Read(ref _page[_isServer ? VchanLayout.ClientLive : VchanLayout.ServerLive]);

    private ref uint Flags => ref *(uint*)(_page + VchanLayout.Flags);

    private bool IsPeerUp => !_isPeerLost && PeerLive == VchanLayout.Up;

    /// <summary>The other side is known to have gone, even if the page says otherwise.</summary>
    internal void LosePeer() => _isPeerLost = true;

    /// <summary>The server's part of the beginning: everything is ready for a client.</summary>
    internal void Offer()
    {
        // The C library asks for events of the client's writes from the start.
        Volatile.Write(ref Flags, VchanLayout.NotYet | (VchanLayout.Up << 8) | (VchanLayout.TellWritten << 16));
    }

    /// <summary>The client's part: claims a free channel. False if it has a client, or the server has gone.</summary>
    internal bool TryClaim()
    {
        while (true)
        {
            var flags = Volatile.Read(ref Flags);
            if ((byte)flags != VchanLayout.NotYet || (byte)(flags >> 8) != VchanLayout.Up)
            {
                return false;
            }

            var claimed = (flags & 0x00FFFF00) | VchanLayout.Up | (VchanLayout.TellWritten << 24);
            if (Interlocked.CompareExchange(ref Flags, claimed, flags) == flags)
            {
                return true;
            }
        }
    }

    /// <summary>Says that this side has gone.</summary>
    internal void Leave() => Volatile.Write(ref _page[_isServer ? VchanLayout.ServerLive : VchanLayout.ClientLive], VchanLayout.Gone);

    /// <summary>Receives once: bytes, 0 when the other side has gone and left nothing, <see cref="Wait"/>.</summary>
    /// <param name="target">At least one byte.</param>
    /// <param name="wake">Whether the other side asked to be woken by this.</param>
    /// <exception cref="ChannelException">The ring is broken (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal int Receive(Span<byte> target, out bool wake)
    {
        var ready = _incoming.Ready();
        if (ready == 0)
        {
            Ask(VchanLayout.TellWritten);
            ready = _incoming.Ready();
            if (ready == 0)
            {
                wake = false;
                if (IsPeerUp)
                {
                    return Wait;
                }
                // What it wrote last was there before it went.
                ready = _incoming.Ready();
                if (ready == 0)
                {
                    return 0;
                }
            }
        }

        var count = _incoming.Read(target, ready);
        wake = IsAsked(VchanLayout.TellConsumed);
        return count;
    }

    /// <summary>Sends once: bytes, 0 when the other side has gone, <see cref="Wait"/>.</summary>
    /// <param name="source">At least one byte.</param>
    /// <param name="wake">Whether the other side asked to be woken by this.</param>
    /// <exception cref="ChannelException">The ring is broken (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal int Send(ReadOnlySpan<byte> source, out bool wake)
    {
        wake = false;
        if (!IsPeerUp)
        {
            return 0;
        }

        var room = _outgoing.Ready();
        if (room == 0)
        {
            Ask(VchanLayout.TellConsumed);
            room = _outgoing.Ready();
            if (room == 0)
            {
                return IsPeerUp ? Wait : 0;
            }
        }

        var count = _outgoing.Write(source, room);
        wake = IsAsked(VchanLayout.TellWritten);
        return count;
    }

    /// <summary>
    /// Asks to be told, in the byte that the other side clears. The locked operation is the full barrier that the second look
    /// at the counters needs.
    /// </summary>
    private void Ask(uint what) => Interlocked.Or(ref Flags, what << (_isServer ? 16 : 24));

    /// <summary>Whether the other side asked, once. The barrier puts the counter before the look.</summary>
    private bool IsAsked(uint what)
    {
        var mask = what << (_isServer ? 24 : 16);
        Interlocked.MemoryBarrier();
        return (Volatile.Read(ref Flags) & mask) != 0 && (Interlocked.And(ref Flags, ~mask) & mask) != 0;
    }
}
