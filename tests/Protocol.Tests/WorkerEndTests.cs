using System.Buffers;
using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Workers that end while streams run both ways: what they have kept is all that the next one needs.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class WorkerEndTests
{
    private const int MaxMessage = 10_000;
    private const int Schedules = 1_000;
    private const int StreamsEach = 4;

    [Fact]
    public void In_a_thousand_random_schedules_streams_lose_and_double_nothing_when_workers_end_between_any_two_of_their_effects()
    {
        var deaths = 0;
        for (var seed = 1; seed <= Schedules; seed++)
        {
            var schedule = new Schedule(seed);
            try
            {
                schedule.Run();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }

            deaths += schedule.Deaths;
        }

        Assert.True(deaths > Schedules, $"{deaths} workers ended");
    }

    private sealed class Schedule
    {
        private readonly Random _random;
        private readonly WireFaults _faults;
        private readonly WorkedEnd _host;
        private readonly Streams _hostStreams;
        private readonly Streams _guestStreams;
        private readonly Wire<IWireEnd> _wire;
        private bool _isCalm;

        public Schedule(int seed)
        {
            _random = new Random(seed);
            _faults = new WireFaults(_random);
            var options = _faults.NewOptions(_random.Next(4, 12)) with { WipeMemory = _random.Next(2) == 0 };
            var (host, guest) = (new CallPeer.NonceSource((ulong)seed << 16), new CallPeer.NonceSource((ulong)seed << 16 | 0x8000));
            (_hostStreams, _guestStreams) = (new Streams(_random), new Streams(_random));
            _host = new WorkedEnd(options, MaxMessage, host.Next, _hostStreams, _hostStreams) { Dies = () => !_isCalm && _random.Next(40) == 0 };
            var end = new GuestEnd(new RpcPeer(PeerRole.Guest, options, MaxMessage, 4 * MaxMessage, _guestStreams, _guestStreams, guest.Next));
            (_hostStreams.Calls, _guestStreams.Calls) = (_host.Peer, end.Rpc);
            _wire = new Wire<IWireEnd>(end, _host);
        }

        public int Deaths => _host.Deaths;

        public void Run()
        {
            _wire.Connect();
            for (var i = 0; i < StreamsEach; i++)
            {
                (_random.Next(2) == 0 ? _hostStreams : _guestStreams).Begin(_wire.Now, (StreamClass)_random.Next(3));
            }

            for (var i = _random.Next(10, 40); i > 0; i--)
            {
                Step(_random.Next(1, 100_000));
                if (_random.Next(4) == 0)
                {
                    _wire.Cut();
                }
            }

            _isCalm = true;
            for (var round = 0; round < 200 && !(_hostStreams.IsDone && _guestStreams.IsDone); round++)
            {
                Step(500_000);
            }

            var (a, b) = (_hostStreams, _guestStreams);
            Assert.True(a.IsDone && b.IsDone, $"host: {a}; guest: {b}");
            Assert.Equal(2 * StreamsEach, a.Ended + b.Ended);
        }

        private void Step(long time)
        {
            _hostStreams.Work();
            _guestStreams.Work();
            _host.Pass(_wire.Now);
            if (_host.HasLostLink)
            {
                _host.HasLostLink = false;
                _wire.Cut();
            }

            if (_wire.IsUp)
            {
                _wire.Run(time);
            }
            else
            {
                _wire.Now += time;
                _wire.Connect();
            }
        }
    }

    private sealed class GuestEnd(RpcPeer rpc) : IWireEnd
    {
        public RpcPeer Rpc => rpc;

        public Session Session => rpc.Session;

        public long NextDeadline => rpc.NextDeadline;

        public int Receive(ReadOnlySpan<byte> untrustedBytes, long now) => rpc.Receive(untrustedBytes, now);

        public void Tick(long now) => rpc.Tick(now);
    }

    /// <summary>Streams of one end: each sends a number of messages and reads the other's, and checks that none is missing or comes twice.</summary>
    private sealed class Streams(Random random) : IRpcHandler, ISessionEvents
    {
        private readonly List<OneStream> _streams = [];

        public ICallPeer Calls { get; set; } = null!;

        public bool IsDone => _streams.All(static stream => stream is { HasSent: true, HasRead: true });

        public int Ended => _streams.Count(static stream => stream.HasRead);

        public void Begin(long now, StreamClass streamClass)
        {
            var stream = Add();
            stream.Call = Calls.Begin("test.Stream"u8, streamClass, isStream: true, deadline: 0, now, stream);
            stream.Number = -1;
            Write(stream);
        }

        public void Work()
        {
            foreach (var stream in _streams.ToArray())
            {
                while (random.Next(4) != 0 && Write(stream))
                {
                }

                while (random.Next(4) != 0 && Read(stream))
                {
                }
            }
        }

        public override string ToString() => string.Join(", ", _streams.Select(static s => $"sent {s.Number} of {s.Last}, read {s.Expected}{(s.HasRead ? " and the end" : "")}"));

        bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
        {
            var stream = Add();
            (stream.Call, call.State) = (call, stream);
            return true;
        }

        // The first message of a stream that the other end has opened.
        void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage) =>
            Assert.Equal(-1, BinaryPrimitives.ReadInt32LittleEndian(untrustedMessage));

        void IRpcHandler.OnReadable(RpcCall call)
        {
        }

        void IRpcHandler.OnWritable(RpcCall call)
        {
        }

        void IRpcHandler.OnFailed(RpcCall call) => throw new InvalidOperationException($"a stream failed: {call.Status}");

        void ISessionEvents.OnEstablished(bool resumed)
        {
        }

        void ISessionEvents.OnLinkLost(ChannelError code, string text)
        {
        }

        void ISessionEvents.OnSessionLost(ChannelError code, string text) => throw new InvalidOperationException($"the session was lost: {text}");

        void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
        {
        }

        private OneStream Add()
        {
            var stream = new OneStream { Last = random.Next(1, 40) };
            _streams.Add(stream);
            return stream;
        }

        private bool Write(OneStream stream)
        {
            // The end of an answer is the end of its call, and what comes after it is dropped.
            var isLast = stream.Number == stream.Last;
            if (stream.HasSent || !stream.Call.CanWrite || (isLast && stream.Call.IsIncoming && !stream.HasRead))
            {
                return false;
            }

            var message = stream.Call.RentWriteBuffer(random.Next(4, random.Next(4) == 0 ? MaxMessage : 200));
            HostileContent.Fill(message, stream.Number + 1);
            BinaryPrimitives.WriteInt32LittleEndian(message, stream.Number++);
            stream.HasSent = isLast;
            Calls.Write(stream.Call, message.Length, isLast ? DataFlags.Fin : DataFlags.None);
            return true;
        }

        private bool Read(OneStream stream)
        {
            if (!Calls.TryRead(stream.Call, out var message))
            {
                stream.HasRead |= stream.Call.PeerDone;
                if (!stream.HasRead)
                {
                    Calls.AwaitMessage(stream.Call);
                }

                return false;
            }

            var data = message.Buffer.AsSpan(0, message.Length);
            Assert.Equal(stream.Expected++, BinaryPrimitives.ReadInt32LittleEndian(data));
            var expected = new byte[data.Length];
            HostileContent.Fill(expected, stream.Expected);
            Assert.True(data[4..].SequenceEqual(expected.AsSpan(4)), "a message of another content");
            ArrayPool<byte>.Shared.Return(message.Buffer);
            return true;
        }

        private sealed class OneStream
        {
            public RpcCall Call { get; set; } = null!;
            public int Last { get; init; }
            /// <summary>Of the next message; -1 for the first one of the stream's opener.</summary>
            public int Number { get; set; }
            public int Expected { get; set; }
            public bool HasSent { get; set; }
            public bool HasRead { get; set; }
        }
    }
}
