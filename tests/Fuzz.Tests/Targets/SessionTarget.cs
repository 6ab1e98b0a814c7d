using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// A session against a hostile peer, past the checksums. It may end links and sessions and say why; it may not throw, deliver more
/// than it gave credit for, speak of a stream that has ended, or hold more for its peer than its bound.
/// </summary>
internal sealed class SessionTarget : IFuzzTarget
{
    public string Name => "session";

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        // Opened, a message, consumed, answered.
        [0, 0, 0, 0x02, 4, 1, 2, 3, 4, 1, 3, 0x0A, 4, 9, 9, 9, 9, 8, 6, 4],
        [1, 9, 1, 30, 6, 9, 3, 0, 2, 3, 1, 200, 0, 5, 40, 0, 7, 0, 6, 5],
        [2, 0, 0, 0x04, 1, 7, 1, 2, 0x0C, 255, 7, 1, 2, 0x0C, 255, 7, 8, 8, 6, 3, 10, 0],
    ];

    public void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        var owner = new Owner(reader.Byte());
        var peer = new HostilePeer(owner.Session, owner.Session.Receive, owner.Session.Tick);
        for (var steps = 0; !reader.IsEmpty && !peer.IsOver && steps < 500; steps++)
        {
            var operation = reader.Byte();
            if ((operation & 15) >= 8)
            {
                owner.Step(ref reader, operation);
            }
            else
            {
                peer.Step(ref reader, operation);
            }

            owner.CheckBounds();
        }

        // Its memory goes back to the pool.
        owner.Session.Close(ChannelError.SessionClosed, "");
    }

    /// <summary>The session's owner, who counts what he is given.</summary>
    private sealed class Owner : ISessionHandler, ISessionEvents
    {
        private const int MaxFrame = 8192;
        private readonly SessionOptions _options;
        private readonly Dictionary<SessionStream, Received> _live = [];
        private readonly List<SessionStream> _order = [];
        private readonly int[] _openedThere = new int[StreamClassValues.Count];
        private ulong _nonces;
        private long _heldOfSession;

        internal Owner(byte choice)
        {
            _options = new SessionOptions
            {
                MaxFrame = MaxFrame,
                ReplayBytes = 128 << 10,
                OutputBatch = 4096,
                StreamWindow = new(1024, 2048, 48 << 10),
                MaxStreams = new(2, 3, 2),
                SessionWindow = SessionOptions.LargestMaxFrame,
                AckBytes = (choice & 1) == 0 ? 1 : 16 << 10,
                WipeMemory = (choice & 2) != 0,
                RpcLimit = (choice & 4) != 0 ? new RateLimit(BytesPerSecond: 10_000, BytesBurst: 20_000, MessagesPerSecond: 100, MessagesBurst: 50) : null,
            };
            Session = new Session(PeerRole.Host, _options, this, this, () => ++_nonces * 0x9E3779B97F4A7C15);
        }

        internal Session Session { get; }

        internal void Step(ref InputReader input, byte operation)
        {
            var stream = _order.Count == 0 ? null : _order[input.Byte() % _order.Count];
            switch (operation & 3)
            {
                case 0 when stream is not null && _live[stream].Pieces.TryDequeue(out var piece):
                    Forget(stream, piece);
                    Session.Consume(stream, piece);
                    break;
                case 1:
                    try
                    {
                        var opened = Session.Open((StreamClass)(input.Byte() % 3), input.Take(3), fin: false, null);
                        Add(opened);
                    }
                    catch (ChannelException)
                    {
                        // As many as the peer allows.
                    }

                    break;
                case 2 when stream is { CanWrite: true }:
                    Session.Write(stream, new byte[input.UInt16() & 0x3FFF], (DataFlags)(input.Byte() & 6));
                    break;
                case 3 when stream is not null:
                    Session.Reset(stream, ChannelError.Cancelled);
                    Remove(stream);
                    break;
                default:
                    Session.SetHeartbeat((StateWord)(input.Byte() & 7), null, input.Byte(), 0);
                    break;
            }
        }

        internal void CheckBounds() => BrokenPromiseException.ThrowUnless(Session.HeldBytes <= _options.ReplayBytes + MaxFrame, $"{Session.HeldBytes} bytes are held for a resume");

        void ISessionHandler.OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin)
        {
            BrokenPromiseException.ThrowUnless(untrustedHeader.Length <= Session.MaxOpenHeader, "a long header was taken");
            Add(stream);
            _live[stream].HasEnded = fin;
            var count = ++_openedThere[(int)stream.Class];
            BrokenPromiseException.ThrowUnless(count <= _options.MaxStreams[stream.Class], $"the peer has {count} streams of class {stream.Class}");
        }

        void ISessionHandler.OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags)
        {
            var received = Find(stream);
            BrokenPromiseException.ThrowUnless(!received.HasEnded, "data came behind its stream's end");
            received.HasEnded = (flags & DataFlags.Fin) != 0;
            received.Pieces.Enqueue(untrustedData.Length);
            received.Held += FrameHeader.Size + untrustedData.Length;
            var window = _options.StreamWindow[stream.Class];
            BrokenPromiseException.ThrowUnless(received.Held <= window, $"{received.Held} bytes came on a stream; its window is {window}");
            if (stream.Class != StreamClass.Control)
            {
                _heldOfSession += FrameHeader.Size + untrustedData.Length;
                BrokenPromiseException.ThrowUnless(_heldOfSession <= _options.SessionWindow, $"{_heldOfSession} bytes came; the session's window is {_options.SessionWindow}");
            }
        }

        void ISessionHandler.OnReset(SessionStream stream, ChannelError code)
        {
            Find(stream);
            Remove(stream);
        }

        void ISessionHandler.OnClosed(SessionStream stream)
        {
            BrokenPromiseException.ThrowUnless(Find(stream).Pieces.Count == 0, "a stream was closed before all was consumed");
            Remove(stream);
        }

        void ISessionHandler.OnWriteDone(SessionStream stream) => Find(stream);

        void ISessionEvents.OnEstablished(bool resumed)
        {
        }

        void ISessionEvents.OnLinkLost(ChannelError error, string text)
        {
        }

        void ISessionEvents.OnSessionLost(ChannelError error, string text)
        {
        }

        void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat) =>
            BrokenPromiseException.ThrowUnless(Enum.IsDefined(heartbeat.State) && heartbeat.RoundTrip is not { Ticks: < 0 }, "a heartbeat out of range was taken");

        private Received Find(SessionStream stream) =>
            _live.TryGetValue(stream, out var received) ? received : throw new BrokenPromiseException("an event came of a stream that is over");

        private void Add(SessionStream stream)
        {
            BrokenPromiseException.ThrowUnless(_live.TryAdd(stream, new Received()), "a stream was opened twice");
            _order.Add(stream);
        }

        private void Remove(SessionStream stream)
        {
            foreach (var piece in _live[stream].Pieces)
            {
                _heldOfSession -= stream.Class == StreamClass.Control ? 0 : FrameHeader.Size + piece;
            }

            _live.Remove(stream);
            _order.Remove(stream);
            _openedThere[(int)stream.Class] -= stream.LocalOpened ? 0 : 1;
        }

        private void Forget(SessionStream stream, int piece)
        {
            _live[stream].Held -= FrameHeader.Size + piece;
            _heldOfSession -= stream.Class == StreamClass.Control ? 0 : FrameHeader.Size + piece;
        }

        private sealed class Received
        {
            internal Queue<int> Pieces { get; } = new();

            internal long Held { get; set; }

            internal bool HasEnded { get; set; }
        }
    }
}
