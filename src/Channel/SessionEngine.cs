using System.Buffers.Binary;
using ChannelSdk.Channels.Links;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>
/// The session in this process, over the links of an endpoint: the protocol's state, and what moves its bytes. A part works under the
/// channel's lock where it says so.
/// </summary>
internal sealed class SessionEngine : IChannelEngine
{
    private readonly ChannelCore _core;
    private readonly LinkLoop _links;

    /// <param name="core">The channel.</param>
    /// <param name="role">This side.</param>
    /// <param name="endpoint">Where links come from; disposed of with this.</param>
    /// <param name="handler">Handles calls.</param>
    /// <param name="events">Receives the events of the session and its links.</param>
    /// <param name="time">The clock.</param>
    /// <param name="keeper">What keeps the session's state, or null.</param>
    public SessionEngine(
        ChannelCore core, PeerRole role, ITransportEndpoint endpoint, IRpcHandler handler, ISessionEvents events, TimeProvider time, SessionKeeper? keeper = null)
    {
        _core = core;
        var options = core.Options;
        Rpc = new RpcPeer(role, options.Session, options.MaxMessage, options.AssemblyBytes, handler, events, NextNonce, keeper);
        Timer = new SessionTimer(core, () => Rpc.NextDeadline, time);
        Link = new ActiveLink(core, this, time);
        Sender = new SendPump(core, this);
        _links = new LinkLoop(core, this, endpoint is IListeningEndpoint { HasCandidates: true } listening
            ? new CandidateEndpoint(listening, options.CandidateTime, time)
            : endpoint);
    }

    public RpcPeer Rpc { get; }

    public Session Session => Rpc.Session;

    public SessionTimer Timer { get; }

    public ActiveLink Link { get; }

    public SendPump Sender { get; }

    /// <summary>Under the lock: whether what came last has no room, so that nothing is to be received.</summary>
    public Func<bool> IsCongested { get; init; } = static () => false;

    /// <summary>Under the lock: keeps what has changed, before the peer is shown any of it.</summary>
    public Action Commit { get; init; } = static () => { };

    /// <summary>Under the lock: bytes received on all links.</summary>
    public long BytesIn { get; set; }

    /// <summary>Under the lock: bytes sent on all links.</summary>
    public long BytesOut { get; set; }

    ICallPeer IChannelEngine.Calls => Rpc;

    public SessionFacts Facts => new(
        Session.SessionId, Session.Version, Session.Capabilities, BytesIn, BytesOut, Session.ReceivePausedUntil, Session.ReceivePauses);

    public void Start() => _links.Start();

    public void Flush() => Sender.Flush();

    public void Rearm() => Timer.Rearm();

    public void SetState(StateWord state, DateTimeOffset? until, ushort detail) => Session.SetHeartbeat(state, until, detail, _core.Now);

    public void Cut(ChannelException reason) => Link.Cut(reason);

    public void Close() => Session.Close(ChannelError.SessionClosed, "the channel was closed");

    public ValueTask DisposeAsync() => _links.DisposeAsync();

    private static UInt128 NextNonce()
    {
        Span<byte> bytes = stackalloc byte[16];
        KernelRandom.Fill(bytes);
        return BinaryPrimitives.ReadUInt128LittleEndian(bytes);
    }
}
