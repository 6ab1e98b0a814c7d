using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// One stream of a session: what was sent and received, the credit of both directions and the one pending write.
/// Only <see cref="Session"/> changes it, but for <see cref="State"/>, which is the owner's.
/// </summary>
public sealed class SessionStream
{
    internal SessionStream()
    {
    }

    /// <summary>Stream id on the wire (PROTOCOL.md section 5), 0 until the OPEN frame is produced.</summary>
    public uint Id { get; internal set; }
    /// <summary>Priority class.</summary>
    public StreamClass Class { get; internal set; }
    /// <summary>The owner's object.</summary>
    public object? State { get; set; }
    /// <summary>This side opened it.</summary>
    public bool LocalOpened { get; internal set; }
    /// <summary>Our direction has ended: Fin was produced.</summary>
    public bool LocalDone { get; internal set; }
    /// <summary>The peer's direction has ended.</summary>
    public bool RemoteDone { get; internal set; }
    /// <summary>The stream is over and may not be used.</summary>
    public bool IsDead { get; internal set; }
    /// <summary>A write may be given.</summary>
    public bool CanWrite => !HasPending && !LocalDone && !IsDead && !FinGiven;
    /// <summary>Some frame of ours on this stream may have reached the peer.</summary>
    public bool MayHaveRun { get; internal set; }

    // Outbound.
    internal ulong FirstSequence;
    /// <summary>Where the OPEN frame is, for <see cref="ReplayLog.Void"/>.</summary>
    internal int OpenOffset;
    internal byte[]? PendingHeader;
    internal bool PendingHeaderFin;
    internal ReadOnlyMemory<byte> Pending;
    internal DataFlags PendingFlags;
    internal bool HasPending;
    internal bool FinGiven;
    internal long SendOffset;
    internal long SendLimit;
    internal int Deficit;
    internal bool IsQueued;

    // Inbound.
    internal long ReceiveOffset;
    internal long ReceiveLimit;
    internal long Consumed;
    internal bool CreditQueued;

    // For a keeper of the session's state.
    internal int Slot = -1;
    internal bool IsChanged;

    internal bool NeedsOpen => LocalOpened && Id == 0;

    internal long SendCredit => SendLimit - SendOffset;

    /// <summary>Something to produce, credit apart.</summary>
    internal bool HasWork => NeedsOpen || HasPending;

    internal void Reuse(StreamClass streamClass, bool localOpened, object? state)
    {
        (Id, Class, LocalOpened, State) = (0, streamClass, localOpened, state);
        LocalDone = RemoteDone = IsDead = MayHaveRun = HasPending = FinGiven = IsQueued = CreditQueued = PendingHeaderFin = false;
        (FirstSequence, PendingHeader, Pending, PendingFlags, Deficit) = (0, null, default, DataFlags.None, 0);
        SendOffset = SendLimit = ReceiveOffset = ReceiveLimit = Consumed = 0;
    }
}
