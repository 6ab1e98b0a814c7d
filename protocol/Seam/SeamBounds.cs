using ChannelSdk.Protocol.Options;

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

    /// <summary>Messages of one stream that were not read, in bytes with <see cref="MessageCost"/> for each.</summary>
    internal long UnreadOf(StreamClass streamClass) => Session.StreamWindow[streamClass] + MaxMessage + MessageCost;

    /// <summary>As above, of all streams.</summary>
    internal long Unread => Session.SessionWindow + AssemblyBytes + 2L * MaxMessage + 2L * Session.MaxStreams.Control * Session.StreamWindow.Control;

    /// <summary>Calls of the guest that are not over.</summary>
    internal int Incoming => Session.MaxStreams.Control + Session.MaxStreams.Rpc + Session.MaxStreams.Bulk;

    /// <summary>Most bytes of a text.</summary>
    internal static int Text => LargestStatus;
}
