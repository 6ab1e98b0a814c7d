using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// Calls in both directions with a hostile peer. No message may be longer than allowed, no call may be heard of after its end, and
/// what waits in memory stays within the windows and the bound for long messages.
/// </summary>
internal sealed class RpcTarget : IFuzzTarget
{
    public string Name => "rpc";

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        // A unary call, its request, its reply.
        [0, 0, 0, 0x02, 9, 0, 1, 0, 0, 0, 0, 0, 0, (byte)'a', 0, 0x43, 0x0A, 3, 1, 2, 3, 9, 0, 6, 9],
        // A stream with a message in two parts.
        [1, 0, 0, 0x02, 9, 1, 1, 0, 0, 9, 0, 0, 0, (byte)'b', 0, 0x22, 0x0C, 0, 8, 0, 0x03, 0x0C, 3, 1, 2, 3, 10, 0, 11, 0],
        // A call from here that is answered with a status.
        [2, 8, 1, 1, 9, 4, 6, 9, 0, 0xC3, 0x0B, 6, 1, 1, 1, 0, 65, 66],
        // A stream from here whose messages come in parts.
        [3, 8, 2, 1, 9, 4, 6, 9, 0, 0x22, 0x0B, 0, 8, 0, 0x22, 0x0B, 0, 8, 12, 0, 0, 0x02, 0x0B, 0, 4, 10, 0],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        var owner = new Owner(reader.Byte());
        var peer = new HostilePeer(owner.Rpc.Session, owner.Rpc.Receive, owner.Rpc.Tick);
        for (var steps = 0; !reader.IsEmpty && !peer.IsOver && steps < 500; steps++)
        {
            var operation = reader.Byte();
            if ((operation & 15) >= 8)
            {
                owner.Step(ref reader, operation, peer.Now);
            }
            else
            {
                peer.Step(ref reader, operation);
            }

            owner.CheckBounds();
        }

        owner.Rpc.Session.Close(ChannelError.SessionClosed, "");
        owner.End();
    }

    private sealed class Owner : IRpcHandler, ISessionEvents
    {
        private const int MaxMessage = 6000;
        private const int Assembly = 3 * MaxMessage;
        private static readonly StreamClassValues s_windows = new(1024, 2048, 4096);
        private static readonly StreamClassValues s_streams = new(2, 3, 2);
        private readonly List<RpcCall> _live = [];
        private readonly byte[] _memory = new byte[1 << 14];
        private readonly bool _answersAtOnce;
        private ulong _nonces;

        internal Owner(byte choice)
        {
            _answersAtOnce = (choice & 1) != 0;
            var options = new SessionOptions
            {
                MaxFrame = 8192,
                ReplayBytes = 128 << 10,
                OutputBatch = 4096,
                StreamWindow = s_windows,
                MaxStreams = s_streams,
                SessionWindow = SessionOptions.LargestMaxFrame,
                AckBytes = 4096,
                WipeMemory = (choice & 2) != 0,
            };
            Rpc = new RpcPeer(PeerRole.Host, options, MaxMessage, Assembly, this, this, () => ++_nonces * 0x9E3779B97F4A7C15);
        }

        internal RpcPeer Rpc { get; }

        internal void Step(ref InputReader input, byte operation, long now)
        {
            var call = _live.Count == 0 ? null : _live[input.Byte() % _live.Count];
            switch (operation & 7)
            {
                case 0:
                    Begin(input.Byte(), input.Byte(), now);
                    break;
                case 1 when call is { CanWrite: true }:
                    var length = input.UInt16() & 0x1FFF;
                    call.RentWriteBuffer(length);
                    Rpc.Write(call, length, !call.IsStream || (input.Byte() & 1) != 0 ? DataFlags.Fin : DataFlags.None);
                    break;
                case 2 when call is { IsStream: true }:
                    Read(call);
                    break;
                case 3 when call is { IsOver: false, IsStream: true }:
                    Rpc.AwaitMessage(call);
                    break;
                case 4 when call is not null:
                    Rpc.Abort(call, ChannelError.Cancelled);
                    Drop(call);
                    break;
                case 5 when call is { IsIncoming: true, IsOver: false, OwnDone: false }:
                    Rpc.Finish(call, new RpcStatus((input.Byte() & 1) == 0 && call.IsStream ? ChannelError.None : ChannelError.Internal, ErrorClass.Refused, "no"));
                    break;
                case 6 when call is { CanWrite: true, IsStream: true }:
                    Rpc.WriteFrom(call, _memory.AsMemory(0, input.UInt16() & 0x1FFF), DataFlags.None);
                    break;
                default:
                    break;
            }

            _live.RemoveAll(static one => one is { IsOver: true, HasMessage: false });
        }

        internal void CheckBounds()
        {
            long held = 0;
            foreach (var call in _live)
            {
                held += ((SessionCall)call).PartialLength;
                foreach (var message in call.Received)
                {
                    held += message.Length;
                }
            }

            var most = Assembly + Most(s_streams) + Most(new(4, 4, 4));
            BrokenPromiseException.ThrowUnless(held <= most, $"{held} bytes of messages wait; {most} are allowed");
        }

        /// <summary>All calls have ended with their session, but for those that never had a stream there.</summary>
        internal void End() => BrokenPromiseException.ThrowUnless(
            _live.TrueForAll(static call => call.IsOver || ((SessionCall)call).Stream is { Id: 0 }), "a call outlives its session");

        bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
        {
            BrokenPromiseException.ThrowUnless(untrustedHeader.Method.Length is >= 1 and <= RpcHeader.MaxMethod, "a method's name out of range was taken");
            if (untrustedHeader.Method[0] == 'x')
            {
                // It is not among those that may be heard of.
                _live.Remove(call);
                return false;
            }

            Add(call);
            return true;
        }

        void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
        {
            BrokenPromiseException.ThrowUnless(untrustedMessage.Length <= MaxMessage, $"a message of {untrustedMessage.Length} bytes was taken");
            Expect(call);
            if (!call.IsIncoming)
            {
                _live.Remove(call);
            }
            else if (_answersAtOnce && call.CanWrite)
            {
                call.RentWriteBuffer(untrustedMessage.Length);
                Rpc.Write(call, untrustedMessage.Length, DataFlags.Fin);
            }
        }

        void IRpcHandler.OnReadable(RpcCall call) => Expect(call);

        void IRpcHandler.OnWritable(RpcCall call) => Expect(call);

        void IRpcHandler.OnFailed(RpcCall call)
        {
            Expect(call);
            BrokenPromiseException.ThrowUnless(call.Status is { Code: not ChannelError.None }, "a call has failed without a reason");
            if (!call.IsStream)
            {
                _live.Remove(call);
            }
        }

        void ISessionEvents.OnEstablished(bool resumed)
        {
        }

        void ISessionEvents.OnLinkLost(ChannelError error, string text)
        {
        }

        void ISessionEvents.OnSessionLost(ChannelError error, string text)
        {
        }

        void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
        {
        }

        private static int Most(StreamClassValues streams)
        {
            var sum = 0;
            for (var streamClass = StreamClass.Control; streamClass <= StreamClass.Bulk; streamClass++)
            {
                sum += streams[streamClass] * s_windows[streamClass];
            }

            return sum;
        }

        private void Begin(byte kind, byte size, long now)
        {
            try
            {
                var deadline = (kind & 16) != 0 ? now + 5_000_000 : 0;
                var answerBy = (kind & 32) != 0 ? now + 1_000_000 : 0;
                var call = Rpc.Begin("test.Run"u8, (StreamClass)((kind >> 2) % 3), (kind & 2) != 0, deadline, now, null, (kind & 2) != 0 ? answerBy : 0);
                Add(call);
                call.RentWriteBuffer(size);
                Rpc.Write(call, size, call.IsStream ? DataFlags.None : DataFlags.Fin);
            }
            catch (ChannelException)
            {
                // As many as the peer allows.
            }
        }

        /// <summary>A call that ended as it should is not told of, and its object is used again.</summary>
        private void Add(RpcCall call)
        {
            _live.Remove(call);
            _live.Add(call);
        }

        private void Read(RpcCall call)
        {
            if (Rpc.TryRead(call, out var message))
            {
                BrokenPromiseException.ThrowUnless(message.Length <= MaxMessage, $"a message of {message.Length} bytes was taken");
                System.Buffers.ArrayPool<byte>.Shared.Return(message.Buffer);
            }
        }

        private void Expect(RpcCall call) => BrokenPromiseException.ThrowUnless(_live.Contains(call), "something came of a call that is over");

        private void Drop(RpcCall call)
        {
            while (call.IsStream && call.HasMessage)
            {
                Read(call);
            }

            _live.Remove(call);
        }
    }
}
