using BenchmarkDotNet.Attributes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Bench.Core;

/// <summary>One unary call and its reply between two rpc layers.</summary>
[MemoryDiagnoser]
public class CallBenchmarks
{
    private readonly Echo _host = new();
    private readonly Echo _guest = new();
    private LoopedSessions _sessions = null!;

    /// <summary>Connects both sides.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _sessions = new LoopedSessions((role, nonces) =>
        {
            var end = role == PeerRole.Guest ? _guest : _host;
            end.Peer = new RpcPeer(role, new SessionOptions { TotalLimit = null }, 1 << 20, 16 << 20, end, end, nonces);
            return end.Peer.Session;
        });
        for (var i = 0; i < 5000; i++)
        {
            Call();
        }
    }

    /// <summary>64 B there and back, with a deadline.</summary>
    [Benchmark]
    public long Call()
    {
        var peer = _host.Peer;
        var call = peer.Begin("bench.Echo"u8, StreamClass.Rpc, isStream: false, _sessions.Now + 1_000_000, _sessions.Now, null);
        call.RentWriteBuffer(64).Clear();
        peer.Write(call, 64, DataFlags.Fin);
        _sessions.Pump();
        return _host.Replies;
    }

    private sealed class Echo : IRpcHandler, ISessionEvents
    {
        public RpcPeer Peer { get; set; } = null!;

        public long Replies { get; private set; }

        public bool OnIncoming(RpcCall call, in RpcHeader untrustedHeader) => true;

        public void OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
        {
            if (!call.IsIncoming)
            {
                Replies++;
                return;
            }

            untrustedMessage.CopyTo(call.RentWriteBuffer(untrustedMessage.Length));
            Peer.Write(call, untrustedMessage.Length, DataFlags.Fin);
        }

        public void OnReadable(RpcCall call)
        {
        }

        public void OnWritable(RpcCall call)
        {
        }

        public void OnFailed(RpcCall call) => throw new InvalidOperationException(call.Status?.Text);

        public void OnEstablished(bool resumed)
        {
        }

        public void OnLinkLost(ChannelError error, string text) => throw new InvalidOperationException(text);

        public void OnSessionLost(ChannelError error, string text) => throw new InvalidOperationException(text);

        public void OnPeerHeartbeat(in Heartbeat heartbeat)
        {
        }
    }
}
