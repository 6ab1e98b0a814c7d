using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>
/// One end with calls above its session: as the caller it remembers how each attempt ended, as the callee how often each
/// one ran. A method runs as soon as its request is whole, which is the worst moment for a caller that has given up.
/// </summary>
internal class CallPeer : IRpcHandler, ISessionEvents, IWireEnd
{
    private readonly List<RpcCall> _unanswered = [];

    public CallPeer(PeerRole role, SessionOptions? options = null, int seed = 1, int maxMessage = 1 << 20)
    {
        Nonces = new NonceSource((ulong)seed << 16 | (ulong)role);
        Rpc = new RpcPeer(role, options ?? new SessionOptions(), maxMessage, assemblyBytes: 4 * maxMessage, this, this, Nonces.Next);
    }

    /// <summary>Not in a copy of this peer's memory: no number comes twice.</summary>
    public NonceSource Nonces { get; }
    public virtual RpcPeer Rpc { get; }
    /// <summary>What carries this end's calls.</summary>
    public virtual ICallPeer Calls => Rpc;
    public Session Session => Rpc.Session;
    public virtual long NextDeadline => Rpc.NextDeadline;
    /// <summary>How often each attempt ran here, as this memory knows it.</summary>
    public Dictionary<int, int> Ran { get; init; } = [];
    /// <summary>As <see cref="Ran"/>, by all copies of this memory, those that are gone too.</summary>
    public Dictionary<int, int> RanEver { get; init; } = [];
    /// <summary>Whether what runs here is counted.</summary>
    public bool Counts { get; set; } = true;
    /// <summary>How each attempt from here ended; None for a reply.</summary>
    public Dictionary<int, RpcStatus> Ended { get; } = [];
    public List<string> Events { get; } = [];
    /// <summary>Whether a call is answered at once; if not, by <see cref="AnswerAll"/>.</summary>
    public bool AnswersAtOnce { get; set; } = true;
    public int AnswerSize { get; init; } = sizeof(int);
    /// <summary>Called when an attempt has ended.</summary>
    public Action<int>? AttemptEnded { get; set; }

    public virtual int Receive(ReadOnlySpan<byte> untrustedBytes, long now) => Rpc.Receive(untrustedBytes, now);

    public virtual void Tick(long now) => Rpc.Tick(now);

    public virtual bool TrySend() => true;

    /// <summary>Begins one attempt. False: it was refused at once.</summary>
    public virtual bool Call(int attempt, int size, long deadline, long now, StreamClass streamClass = StreamClass.Rpc)
    {
        RpcCall call;
        try
        {
            call = Calls.Begin("test.Run"u8, streamClass, isStream: false, deadline, now, attempt);
        }
        catch (ChannelException)
        {
            return false;
        }

        var request = call.RentWriteBuffer(Math.Max(sizeof(int), size));
        HostileContent.Fill(request, attempt);
        BinaryPrimitives.WriteInt32LittleEndian(request, attempt);
        Calls.Write(call, request.Length, DataFlags.Fin);
        return true;
    }

    public void AnswerAll()
    {
        foreach (var call in _unanswered)
        {
            Answer(call);
        }

        _unanswered.Clear();
    }

    private void Answer(RpcCall call)
    {
        if (call is { IsOver: false, IsIncoming: true, CanWrite: true })
        {
            var answer = call.RentWriteBuffer(AnswerSize);
            HostileContent.Fill(answer, AnswerSize);
            BinaryPrimitives.WriteInt32LittleEndian(answer, (int)call.State!);
            Calls.Write(call, answer.Length, DataFlags.Fin);
        }
    }

    private void End(int attempt, in RpcStatus status)
    {
        Ended.Add(attempt, status);
        AttemptEnded?.Invoke(attempt);
    }

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader) => true;

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
        if (!call.IsIncoming)
        {
            // Of this call and no other.
            Assert.Equal((int)call.State!, BinaryPrimitives.ReadInt32LittleEndian(untrustedMessage));
            End((int)call.State!, default);
            return;
        }

        var attempt = BinaryPrimitives.ReadInt32LittleEndian(untrustedMessage);
        call.State = attempt;
        if (Counts)
        {
            Ran[attempt] = Ran.GetValueOrDefault(attempt) + 1;
            RanEver[attempt] = RanEver.GetValueOrDefault(attempt) + 1;
        }

        if (AnswersAtOnce)
        {
            Answer(call);
        }
        else
        {
            _unanswered.Add(call);
        }
    }

    void IRpcHandler.OnFailed(RpcCall call)
    {
        _unanswered.Remove(call);
        if (!call.IsIncoming)
        {
            End((int)call.State!, call.Status!.Value);
        }
    }

    void IRpcHandler.OnReadable(RpcCall call)
    {
    }

    void IRpcHandler.OnWritable(RpcCall call)
    {
    }

    void ISessionEvents.OnEstablished(bool resumed) => Events.Add(resumed ? "resumed" : "established");

    void ISessionEvents.OnLinkLost(ChannelError error, string text) => Events.Add($"link lost: {error}");

    void ISessionEvents.OnSessionLost(ChannelError error, string text) => Events.Add($"session lost: {error}");

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
    }

    /// <summary>Numbers for sessions and links, from a seed.</summary>
    internal sealed class NonceSource(ulong seed)
    {
        private ulong _last = seed;

        public UInt128 Next() => ++_last * 0x9E3779B97F4A7C15;
    }
}
