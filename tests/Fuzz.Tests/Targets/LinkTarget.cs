using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// One link from its first byte: left-over bytes, HELLOs of every kind, frames with right and wrong checksums, cut anywhere. Only
/// whole frames with right checksums reach the session, and only between handshake and fault.
/// </summary>
internal sealed class LinkTarget : IFuzzTarget
{
    public string Name => "link";

    public int MaxLength => 2048;

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [0, 1, 0, 0, 3, 200, 0, 2, 3, 0, 32, 0, 3, 200, 0, 4, 1, 3, 200, 0],
        [1, 0, 5, 1, 2, 3, 4, 5, 1, 1, 0, 1, 3, 100, 0, 4, 2, 3, 0, 1, 2, 0x11, 0, 10, 0, 3, 50, 0, 5, 0, 1, 3, 255, 0],
    ];

    public IReadOnlyList<byte[]> Tokens { get; } = [Hello.Marker.ToArray()];

    public void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        var rig = new Rig(reader.Byte());
        for (var steps = 0; !reader.IsEmpty && rig.IsAlive && steps < 300; steps++)
        {
            rig.Step(ref reader);
        }
    }

    private sealed class Rig : ILinkOwner
    {
        private const int MaxFrame = 2048;
        private static readonly UInt128 s_epoch = 0xE90C;

        private readonly SessionOptions _options = new() { MaxFrame = MaxFrame, MaxBytesBeforeHello = 64 << 10 };
        private readonly byte _choice;
        private readonly Link _link;
        private readonly byte[] _frame = new byte[FrameHeader.Size + (64 << 10)];
        private readonly List<byte> _wire = [];
        private long _now = 1_000_000;
        private bool _isEstablished;

        internal Rig(byte choice)
        {
            _choice = choice;
            _link = new Link(_options, PeerRole.Host, this, s_epoch, _now);
        }

        internal bool IsAlive => _link.Fault is null;

        internal void Step(ref InputReader input)
        {
            switch (input.Byte() % 6)
            {
                case 0:
                    _wire.AddRange(input.Take(input.Byte()));
                    break;
                case 1:
                    WriteHello(ref input);
                    break;
                case 2:
                    WriteFrame(ref input);
                    break;
                case 3:
                    Receive(input.UInt16());
                    break;
                case 4:
                    Output(input.Byte());
                    break;
                default:
                    _now += 1000L * input.UInt16();
                    _link.Tick(_now);
                    Receive(_wire.Count);
                    break;
            }
        }

        private void WriteHello(ref InputReader input)
        {
            var kind = input.Byte();
            var hello = RawHello.Of(PeerRole.Guest) with
            {
                IsEstablished = (kind & 1) != 0,
                MaxFrame = 4096,
                Epoch = 1u + (uint)(kind >> 6),
                Echo = (kind & 2) == 0 ? s_epoch : 0,
                Nonce = 7,
                Capabilities = 0,
                StreamCredit = new(1000, 1000, 1000),
                SessionCredit = 1000,
                MaxStreams = new(1, 1, 1),
            };
            Span<byte> payload = stackalloc byte[Hello.MaxSize];
            payload.Clear();
            hello.Write(payload);
            for (var changes = (kind >> 2) & 3; changes > 0; changes--)
            {
                payload[input.Byte() % Hello.Size] = input.Byte();
            }

            var length = (kind & 16) == 0 ? Hello.Size : input.UInt16() % Hello.MaxSize;
            Write(FrameType.Hello, DataFlags.None, 0, Hello.MarkerSequence, payload[..length], (kind & 32) != 0 ? input.UInt16() : 0);
        }

        private void WriteFrame(ref InputReader input)
        {
            var type = (FrameType)input.Byte();
            var kind = input.Byte();
            var length = input.UInt16();
            var broken = (kind & 128) != 0 ? input.UInt16() : 0;
            var payload = (kind & 64) != 0 ? new byte[length % 4000] : input.Take(length & 0x7F);
            Write(type, (kind & 1) != 0 ? (DataFlags)input.UInt16() : 0, (kind & 2) != 0 ? input.UInt32() : 0, (kind & 4) != 0 ? input.UInt32() : 0, payload, broken);
        }

        /// <summary>Puts a frame on the wire, with a bit that is turned round if <paramref name="broken"/> is not 0.</summary>
        private void Write(FrameType type, DataFlags flags, uint stream, uint sequence, ReadOnlySpan<byte> payload, int broken)
        {
            var size = FrameHeader.WriteFrame(_frame, type, flags, stream, sequence, payload);
            if (broken != 0)
            {
                _frame[broken % size] ^= (byte)(1 << (broken >> 13));
            }

            _wire.AddRange(_frame.AsSpan(0, size));
        }

        private void Receive(int most)
        {
            var bytes = _wire.GetRange(0, Math.Min(most, _wire.Count)).ToArray();
            var taken = _link.Receive(bytes, _now);
            BrokenPromiseException.ThrowUnless(taken >= 0 && taken <= bytes.Length, $"{taken} of {bytes.Length} bytes were taken");
            // Behind one of the link's own frames the owner may have it wait.
            BrokenPromiseException.ThrowUnless(taken > 0 || (_choice & 4) != 0 || _link.Fault is not null || bytes.Length < FrameHeader.Size + MaxFrame, $"{bytes.Length} bytes wait, more than any frame has");
            _wire.RemoveRange(0, taken);
            BrokenPromiseException.ThrowUnless(_link.ReadFrameCount() <= bytes.Length / FrameHeader.Size + 1, "frames were counted that were not there");
        }

        private void Output(byte most)
        {
            var output = _link.Output(_now);
            for (var at = 0; at < output.Length && _link.NextDeadline >= 0; at += FrameHeader.Size)
            {
                if (FrameHeader.TryRead(output.Span[at..], out var header) == HeaderStatus.Ok)
                {
                    at += header.Length;
                }
                else
                {
                    // Behind a piece that was taken.
                    break;
                }
            }

            _link.AdvanceOutput(most < 128 ? output.Length : Math.Min(most, output.Length));
        }

        void ILinkOwner.FillHello(ref Hello hello) => hello.Nonce = 5;

        Pairing ILinkOwner.Pair(in Hello hello, long now)
        {
            BrokenPromiseException.ThrowUnless(hello.Echo == s_epoch && hello.FindProblem().Length == 0, "a HELLO was paired that proves nothing or is out of range");
            return (_choice & 1) != 0 && hello.Epoch == 1 ? Pairing.Again : Pairing.Accepted;
        }

        void ILinkOwner.OnLinkEstablished(long now) => _isEstablished = true;

        void ILinkOwner.OnPeerRestarted()
        {
        }

        bool ILinkOwner.TryRetransmit() => (_choice & 2) != 0;

        void ILinkOwner.OnLinkRestarted(long now) => _isEstablished = false;

        void ILinkOwner.OnFrame(in FrameHeader header, ReadOnlySpan<byte> untrustedPayload, long now)
        {
            BrokenPromiseException.ThrowUnless(_isEstablished && IsAlive, "a frame was delivered without a link");
            BrokenPromiseException.ThrowUnless(untrustedPayload.Length == header.Length && header.Length <= MaxFrame, $"a frame of {header.Length} bytes was delivered");
            BrokenPromiseException.ThrowUnless(header.PayloadCrc == (untrustedPayload.IsEmpty ? 0 : Crc32C.Compute(untrustedPayload)), "a frame with a wrong payload was delivered");
            BrokenPromiseException.ThrowUnless(header.Type is not (FrameType.Hello or FrameType.Heartbeat or FrameType.GoAway), $"a {header.Type} was delivered as a frame of the session");
        }

        void ILinkOwner.OnHeartbeat(in Heartbeat heartbeat) => BrokenPromiseException.ThrowUnless(_isEstablished, "a heartbeat was delivered without a link");

        void ILinkOwner.OnGoAway(ChannelError code, bool endsSession, string text)
        {
            BrokenPromiseException.ThrowUnless(!text.Any(char.IsControl), "a text that was not made safe was delivered");
            _link.FailSilently(code, text);
        }

        bool ILinkOwner.MayReadOn(long now) => (_choice & 4) == 0;

        int ILinkOwner.WriteControlFrames(Span<byte> target, long now) => (_choice & 8) == 0 ? 0
            : FrameHeader.WriteFrame(target, FrameType.Ack, DataFlags.None, 0, 0, []);
    }
}
