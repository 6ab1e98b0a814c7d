using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// Stream ids (PROTOCOL.md section 5): bit 0 the opener (0 guest, 1 host), bits 1-2 the class, bits 3-31 a number that
/// grows by one with each stream of that opener and class and wraps; 0 is never used as a number. Numbers are compared
/// as serial numbers (RFC 1982), so a session never runs out of them.
/// </summary>
internal struct StreamIds
{
    private const int NumberBits = 29;
    private const uint NumberMask = (1u << NumberBits) - 1;
    private uint _control;
    private uint _rpc;
    private uint _bulk;

    public static bool TryParse(uint id, out PeerRole opener, out StreamClass streamClass)
    {
        opener = OpenerOf(id);
        streamClass = (StreamClass)(id >> 1 & 3);
        return (id >> 1 & 3) < StreamClassValues.Count && id >> 3 != 0;
    }

    public static PeerRole OpenerOf(uint id) => (id & 1) == 0 ? PeerRole.Guest : PeerRole.Host;

    /// <summary>Allocates the next id that is not <paramref name="isAlive"/>.</summary>
    public uint Next(PeerRole opener, StreamClass streamClass, Dictionary<uint, SessionStream> isAlive)
    {
        ref var last = ref Last(streamClass);
        while (true)
        {
            last = last == NumberMask ? 1 : last + 1;
            var id = last << 3 | (uint)streamClass << 1 | (opener == PeerRole.Host ? 1u : 0u);
            if (!isAlive.ContainsKey(id))
            {
                return id;
            }
        }
    }

    /// <summary>Whether the id comes after the last one of its class; then it becomes the last.</summary>
    public bool TryAdvance(uint id, StreamClass streamClass)
    {
        ref var last = ref Last(streamClass);
        if (!IsAfter(id >> 3, last))
        {
            return false;
        }

        last = id >> 3;
        return true;
    }

    /// <summary>Whether an id of this class was used before (its frames may still be under way).</summary>
    public bool WasUsed(uint id, StreamClass streamClass)
    {
        var last = Last(streamClass);
        return last != 0 && !IsAfter(id >> 3, last);
    }

    public readonly void Save(ref StateWriter state)
    {
        state.UInt32(_control);
        state.UInt32(_rpc);
        state.UInt32(_bulk);
    }

    public void Load(ref StateReader state) =>
        (_control, _rpc, _bulk) = (state.UInt32() & NumberMask, state.UInt32() & NumberMask, state.UInt32() & NumberMask);

    private static bool IsAfter(uint number, uint last) =>
        last == 0 || (number - last & NumberMask) is > 0 and < 1u << (NumberBits - 1);

    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    private ref uint Last(StreamClass streamClass)
    {
        switch (streamClass)
        {
            case StreamClass.Control: return ref _control;
            case StreamClass.Rpc: return ref _rpc;
            default: return ref _bulk;
        }
    }
}
