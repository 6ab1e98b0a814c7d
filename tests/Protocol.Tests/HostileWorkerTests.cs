using System.Buffers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A worker that its guest has taken over writes what it likes into the memory that it shares with its supervisor.</summary>
public class HostileWorkerTests
{
    private const int MaxMessage = 4096;
    private static readonly SessionOptions s_options = new()
    {
        StreamWindow = new(4096, 8192, 16384),
        MaxStreams = new(4, 8, 4),
        SessionWindow = 65536,
    };

    [Fact]
    public void Records_with_a_lie_in_any_field_end_the_worker_or_are_held_within_bounds()
    {
        var (refused, taken) = (0, 0);
        for (var seed = 0; seed < 4000; seed++)
        {
            var random = new Random(seed);
            var supervisor = new Supervisor(random);
            try
            {
                for (var i = 0; i < 300; i++)
                {
                    supervisor.Call();
                    supervisor.Write(Lie(random));
                    supervisor.Peer.Receive(now: i * 1000);
                    supervisor.Peer.Publish(i * 1000);
                    supervisor.Peer.Tick(i * 1000);
                    taken++;
                    Assert.InRange(supervisor.Kept, 0, s_options.SessionWindow + 20 * MaxMessage + (1 << 20));
                    Assert.InRange(supervisor.Incoming, 0, 16);
                }
            }
            catch (ChannelException e)
            {
                Assert.Equal(ChannelError.WorkerFailed, e.Code);
                refused++;
            }

            supervisor.Peer.FailAll(ChannelError.WorkerFailed, "the worker was ended");
            Assert.Equal(0, supervisor.Alive);
        }

        Assert.True(refused > 1000 && taken > 10_000, $"{refused} workers were ended, {taken} records taken");
    }

    [Fact]
    public void A_worker_that_sends_more_than_a_guest_has_credit_for_is_ended_before_it_is_kept()
    {
        var supervisor = new Supervisor(new Random(1));
        var id = supervisor.OpenStream();
        var error = Assert.Throws<ChannelException>(() =>
        {
            for (var i = 0; i < 100_000; i++)
            {
                // The smallest messages are the ones that cost most.
                supervisor.Write(new SeamRecord { Kind = SeamKind.Message, Call = id, Second = 1 });
                supervisor.Peer.Receive(0);
                supervisor.Peer.Publish(0);
            }
        });
        Assert.Contains("credit", error.Message, StringComparison.Ordinal);
        Assert.InRange(supervisor.Messages, 100, 1000);
    }

    [Fact]
    public void A_worker_that_reads_nothing_for_five_seconds_is_ended_and_one_that_reads_slowly_is_not()
    {
        var bounds = new SeamBounds(s_options, MaxMessage, 4 * MaxMessage);
        var (down, up) = (new ArrayRing(bounds.RingBytes), new ArrayRing(bounds.RingBytes));
        var peer = new SeamPeer(bounds, down, up, new Supervisor(new Random(1)), new Supervisor(new Random(1)));
        peer.Attach();
        var reader = new RingReader(down, wipes: false);
        long now = 0;
        for (var i = 0; i < 20; i++)
        {
            peer.SetState(StateWord.Ready, null, 0);
            peer.SetState(StateWord.Ready, null, 0);
            peer.Publish(now);
            now += 4_000_000;
            Assert.True(reader.TryPeek(out _));
            reader.Advance();
            reader.Release();
            peer.Tick(now);
        }

        now += 4_000_000;
        peer.Tick(now);
        now += 5_000_000;
        Assert.Contains("looked at", Assert.Throws<ChannelException>(() => peer.Tick(now)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_worker_that_reads_no_answer_is_not_heard_until_it_does()
    {
        var supervisor = new Supervisor(new Random(1)) { IsServing = false };
        // Each is answered, as there is no such method, and is over by that.
        for (uint i = 0; i < 100_000; i++)
        {
            supervisor.Write(new SeamRecord { Kind = SeamKind.Incoming, Call = 0x8000_0000 + i, Length = 6, Extra = 6 });
            supervisor.Peer.Receive(0);
            supervisor.Peer.Publish(0);
        }

        var heard = supervisor.Peer.Received;
        Assert.InRange(heard, 100, supervisor.RingBytes / SeamRecord.Size);
        Assert.False(supervisor.Peer.HasWork);
        Assert.True(supervisor.Peer.TrySleep());
        Assert.True(supervisor.ReadAll());
        Assert.True(supervisor.Peer.HasWork);
        supervisor.Peer.Receive(0);
        Assert.True(supervisor.Peer.Received > heard);
    }

    [Fact]
    public void A_position_that_is_impossible_ends_the_worker_and_is_no_exception_of_the_calls_that_find_it()
    {
        var supervisor = new Supervisor(new Random(1));
        supervisor.Peer.Publish(0);
        supervisor.ToWorker.Tail = 1 << 20;
        var call = supervisor.Peer.Begin("test.Call"u8, StreamClass.Rpc, isStream: false, 0, 0, null);
        supervisor.Peer.WriteFrom(call, default, DataFlags.Fin);
        for (var i = 0; i < 10_000; i++)
        {
            supervisor.Peer.SetState(StateWord.Ready, null, 0);
        }

        supervisor.Peer.Abort(call, ChannelError.Cancelled);
        supervisor.Peer.Cut(ChannelError.LinkLost, "told to");
        supervisor.Peer.Close();
        Assert.True(supervisor.Peer.HasWork);
        foreach (var told in (Action[])[() => supervisor.Peer.Publish(0), () => supervisor.Peer.Receive(0), () => supervisor.Peer.Tick(10_000_000)])
        {
            Assert.Contains("a reader's position", Assert.Throws<ChannelException>(told).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData((byte)SeamKind.Heartbeat)]
    [InlineData((byte)SeamKind.Established)]
    [InlineData((byte)SeamKind.EndpointFailed)]
    public void A_worker_that_tells_more_of_its_links_than_there_can_be_is_ended(byte kind)
    {
        var supervisor = new Supervisor(new Random(1));
        long now = 0;
        // A busy one for a while: a heartbeat each 5 ms.
        for (; now < 60_000_000; now += 5000)
        {
            supervisor.Write(new SeamRecord { Kind = SeamKind.Heartbeat, Second = -1 });
            supervisor.Peer.Receive(now);
            supervisor.Peer.Publish(now);
        }

        var (heard, error) = (supervisor.Peer.Received, Assert.Throws<ChannelException>(() =>
        {
            for (var i = 0; i < 100_000; i++)
            {
                supervisor.Write(new SeamRecord { Kind = (SeamKind)kind, Second = -1 });
                supervisor.Peer.Receive(now);
                supervisor.Peer.Publish(now);
            }
        }));
        Assert.Contains("more events", error.Message, StringComparison.Ordinal);
        Assert.InRange(supervisor.Peer.Received - heard, 1000, 25_000);
    }

    [Fact]
    public void A_worker_that_makes_more_calls_than_its_guest_may_is_ended()
    {
        var supervisor = new Supervisor(new Random(1)) { IsServing = false };
        var error = Assert.Throws<ChannelException>(() =>
        {
            for (uint i = 0; i < 1_000_000; i++)
            {
                supervisor.Write(new SeamRecord { Kind = SeamKind.Incoming, Call = 0x8000_0000 + i, Length = 6, Extra = 6 });
                supervisor.Peer.Receive(0);
                supervisor.Peer.Publish(0);
                supervisor.ReadAll();
            }
        });
        Assert.Contains("more calls than a guest may make", error.Message, StringComparison.Ordinal);
        Assert.InRange(supervisor.Peer.Received, s_options.TotalLimit!.StreamsBurst, 3 * s_options.TotalLimit.StreamsBurst);
    }

    [Fact]
    public void A_turn_ends_however_much_a_worker_has_written()
    {
        var supervisor = new Supervisor(new Random(1));
        for (var i = 0; i < 1000; i++)
        {
            supervisor.Write(new SeamRecord { Kind = SeamKind.Heartbeat, Second = -1 });
        }

        Assert.True(supervisor.Peer.Receive(0));
        Assert.InRange(supervisor.Heartbeats, 100, 300);
    }

    private static SeamRecord Lie(Random random)
    {
        SeamKind[] kinds =
        [
            SeamKind.Incoming, SeamKind.Message, SeamKind.Taken, SeamKind.Ended, SeamKind.Failed, SeamKind.Opening, SeamKind.Link,
            SeamKind.Established, SeamKind.LinkLost, SeamKind.SessionLost, SeamKind.Heartbeat, SeamKind.EndpointFailed, SeamKind.Fault,
        ];
        var isWild = random.Next(100) == 0;
        return new SeamRecord
        {
            Kind = isWild ? (SeamKind)random.Next(256) : kinds[random.Next(kinds.Length)],
            Bits = (byte)(random.Next(isWild ? 256 : 3) | random.Next(8) << 4),
            Code = (ushort)random.Next(700),
            Call = (uint)(random.Next(8) + (random.Next(2) == 0 ? 0 : 0x8000_0000)),
            Length = random.Next(3) == 0 ? random.Next(MaxMessage + 200) : random.Next(40),
            Extra = isWild ? random.Next(-200, 200) : random.Next(1, 9),
            First = random.Next(isWild ? -5 : 0, 100_000),
            Second = random.Next(isWild ? -5 : -1, 100_000),
        };
    }

    private sealed class Supervisor : IRpcHandler, ISeamEvents
    {
        private readonly Random _random;
        private readonly RingWriter _worker;
        private readonly RingReader _reader;
        private readonly List<RpcCall> _calls = [];
        private readonly List<RpcCall> _incoming = [];

        public Supervisor(Random random)
        {
            _random = random;
            var bounds = new SeamBounds(s_options, MaxMessage, 4 * MaxMessage);
            var (toWorker, fromWorker) = (new ArrayRing(bounds.RingBytes), new ArrayRing(bounds.RingBytes));
            (_worker, _reader) = (new RingWriter(fromWorker), new RingReader(toWorker, wipes: false));
            (Peer, ToWorker) = (new SeamPeer(bounds, toWorker, fromWorker, this, this), toWorker);
            RingBytes = bounds.RingBytes;
        }

        public SeamPeer Peer { get; }

        public ArrayRing ToWorker { get; }

        public int RingBytes { get; }

        /// <summary>Whether calls of the guest are served, or a part of them.</summary>
        public bool IsServing { get; init; } = true;

        public int Heartbeats { get; private set; }

        public int Messages { get; private set; }

        public int Incoming => _incoming.Count(static call => !call.IsOver);

        public int Alive => _calls.Concat(_incoming).Count(static call => !call.IsOver);

        public long Kept => _calls.Concat(_incoming).Where(static call => !call.IsOver).Sum(static call => call.Received.Sum(static m => (long)m.Buffer.Length));

        public void Write(SeamRecord record)
        {
            if (!_worker.TryBegin(record.Length, 0, out var data))
            {
                return;
            }

            data.Fill(IsServing ? (byte)_random.Next(0x1F, 0x80) : (byte)'n');
            _worker.Commit(record);
            _worker.Publish();
        }

        /// <summary>The worker reads all that was written for it. True: the supervisor is to be woken.</summary>
        public bool ReadAll()
        {
            while (_reader.TryPeek(out _))
            {
                _reader.Advance();
            }

            return _reader.Release();
        }

        public uint OpenStream()
        {
            Peer.Begin("test.Stream"u8, StreamClass.Bulk, isStream: true, 0, 0, null);
            var call = Peer.Begin("test.Stream"u8, StreamClass.Bulk, isStream: true, 0, 0, null);
            Peer.WriteFrom(call, default, DataFlags.None);
            Peer.Publish(0);
            return ((SeamCall)call).Id;
        }

        public void Call()
        {
            var isStream = _random.Next(2) == 0;
            if (_calls.Count(static call => !call.IsOver) < 6)
            {
                var call = Peer.Begin("test.Call"u8, (StreamClass)_random.Next(3), isStream, _random.Next(2) * 1_000_000, 0, null, _random.Next(2) * 500_000);
                _calls.Add(call);
                Peer.WriteFrom(call, new byte[_random.Next(MaxMessage)], isStream ? DataFlags.None : DataFlags.Fin);
            }

            foreach (var call in _calls.Concat(_incoming).ToArray())
            {
                if (call.IsOver)
                {
                    continue;
                }

                switch (_random.Next(12))
                {
                    case 0 when call is { IsStream: true, CanWrite: true }:
                        Peer.WriteFrom(call, new byte[_random.Next(MaxMessage)], _random.Next(4) == 0 ? DataFlags.Fin : DataFlags.None);
                        break;
                    case 1:
                        Peer.AwaitMessage(call);
                        break;
                    case 2 when Peer.TryRead(call, out var message):
                        ArrayPool<byte>.Shared.Return(message.Buffer);
                        break;
                    case 3 when call.IsIncoming:
                        Peer.Finish(call, new RpcStatus(ChannelError.Internal, ErrorClass.Refused, "no"));
                        break;
                    case 4 when _random.Next(4) == 0:
                        Peer.Abort(call, ChannelError.Cancelled);
                        break;
                }
            }
        }

        bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
        {
            _incoming.RemoveAll(static call => call.IsOver);
            if (!IsServing || _random.Next(4) == 0)
            {
                return false;
            }

            _incoming.Add(call);
            return true;
        }

        void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage) => Messages++;

        void IRpcHandler.OnReadable(RpcCall call) => Messages++;

        void IRpcHandler.OnWritable(RpcCall call)
        {
        }

        void IRpcHandler.OnFailed(RpcCall call)
        {
        }

        void Sessions.ISessionEvents.OnEstablished(bool resumed)
        {
        }

        void Sessions.ISessionEvents.OnLinkLost(ChannelError code, string text)
        {
        }

        void Sessions.ISessionEvents.OnSessionLost(ChannelError code, string text)
        {
        }

        void Sessions.ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat) => Heartbeats++;

        void ISeamEvents.OnOpening()
        {
        }

        void ISeamEvents.OnLink()
        {
        }

        void ISeamEvents.OnSession(UInt128 sessionId, int version, ulong capabilities)
        {
        }

        void ISeamEvents.OnEndpointFailed(ChannelError code, string text)
        {
        }

        void ISeamEvents.OnFault(string text)
        {
        }
    }
}
