using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Bench.Core;

/// <summary>Two sessions whose outputs are each other's inputs, in one thread and without any I/O.</summary>
internal sealed class LoopedSessions
{
    private ulong _nonce;
    private long _now = 1;

    public LoopedSessions(Func<PeerRole, Func<UInt128>, Session> create)
    {
        (Guest, Host) = (create(PeerRole.Guest, NextNonce), create(PeerRole.Host, NextNonce));
        Guest.LinkUp(_now);
        Host.LinkUp(_now);
        Pump();
        if (!Guest.IsEstablished || !Host.IsEstablished)
        {
            throw new InvalidOperationException("the two sessions did not shake hands");
        }
    }

    public Session Guest { get; }

    public Session Host { get; }

    public long Now => _now;

    /// <summary>Moves the time on and everything that waits to the other side.</summary>
    public void Pump()
    {
        _now += 10;
        while (Move(Guest, Host) | Move(Host, Guest))
        {
        }
    }

    private bool Move(Session from, Session to)
    {
        var output = from.GetOutput(_now);
        if (output.IsEmpty)
        {
            return false;
        }

        to.Receive(output.Span, _now);
        from.AdvanceOutput(output.Length);
        return true;
    }

    private UInt128 NextNonce() => ++_nonce * 0x9E3779B97F4A7C15;
}
