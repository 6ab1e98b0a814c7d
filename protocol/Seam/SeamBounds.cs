using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>What a worker may have its supervisor keep, of the options of the instance's channel.</summary>
/// <param name="Session">Bounds of the session, which the worker holds the guest to.</param>
/// <param name="MaxMessage">Largest message accepted, bytes.</param>
/// <param name="AssemblyBytes">Bytes for messages that are longer than their streams' windows.</param>
public sealed record SeamBounds(SessionOptions Session, int MaxMessage, int AssemblyBytes)
{
    private const int LargestStatus = 1024;

    /// <summary>What a message is counted with besides its bytes, as a frame's head is by the session.</summary>
    internal const int MessageCost = 24;

    /// <summary>Bytes of the records of each direction: two of the largest messages have room, and what may not wait for it.</summary>
    public int RingBytes => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(256 << 10, 3 * (MaxMessage + 1024)));

    /// <summary>Bytes of a worker's state, of which an idle one uses few.</summary>
    public int SlotBytes => RelayKeeper.SlotBytes(this, Incoming + 2 * SeamPeer.MostOutgoing);

    /// <summary>
    /// Bytes for what a worker keeps of messages and frames, most of which no one uses. What a guest makes it keep has room; writes for a
    /// guest that takes none may find none, and their calls end.
    /// </summary>
    public int BufferBytes => (int)Math.Min(
        1 << 30, ArenaPool.BytesFor(4L * Session.ReplayBytes + 4L * MaxMessage + 2L * AssemblyBytes + Unread, LargestBuffer));

    /// <summary>A message, with what a worker writes before it.</summary>
    internal int LargestBuffer => Math.Max(MaxMessage + 1024, 256 << 10);

    /// <summary>Messages of one stream that were not read, in bytes with <see cref="MessageCost"/> for each.</summary>
    internal long UnreadOf(StreamClass streamClass) => Session.StreamWindow[streamClass] + MaxMessage + MessageCost;

    /// <summary>As above, of all streams.</summary>
    internal long Unread => Session.SessionWindow + AssemblyBytes + 2L * MaxMessage + 2L * Session.MaxStreams.Control * Session.StreamWindow.Control;

    /// <summary>Calls of the guest that are not over.</summary>
    internal int Incoming => Session.MaxStreams.Control + Session.MaxStreams.Rpc + Session.MaxStreams.Bulk;

    /// <summary>Most bytes of a text.</summary>
    internal static int Text => LargestStatus;
}
