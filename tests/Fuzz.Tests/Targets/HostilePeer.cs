using System.Buffers.Binary;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>
/// A guest whose frames are what an input says. It writes header, checksums and sequence itself, so that the input gets behind
/// them, and remembers enough to resume. What its host sends is checked by <see cref="SentCheck"/>.
/// </summary>
internal sealed class HostilePeer
{
    private const int MaxLinks = 4;
    private static readonly UInt128 s_nonce = 0x6E6F6E6365;

    private readonly Session _host;
    private readonly Func<ReadOnlySpan<byte>, long, int> _receive;
    private readonly Action<long> _tick;
    private readonly SentCheck _sent = new();
    private readonly byte[] _frame = new byte[FrameHeader.Size + SessionOptions.LargestMaxFrame];
    private readonly uint[] _opened = new uint[StreamClassValues.Count];
    private UInt128 _session;
    private uint _links;
    private uint _sequence;

    internal HostilePeer(Session host, Func<ReadOnlySpan<byte>, long, int> receive, Action<long> tick)
    {
        (_host, _receive, _tick) = (host, receive, tick);
        Connect();
    }

    internal long Now { get; private set; } = 1_000_000;

    /// <summary>No link comes any more.</summary>
    internal bool IsOver { get; private set; }

    /// <summary>Does one thing that the input says.</summary>
    internal void Step(ref InputReader input, byte operation)
    {
        switch (operation % 8)
        {
            case 0 or 1:
                SendPlausible(ref input);
                break;
            case 2:
                var id = Stream(input.Byte());
                SendCredit((input.Byte() & 3) == 0 ? 0 : id, (long)(input.Byte() < 240 ? input.UInt16() : input.UInt64()));
                break;
            case 3:
                var ahead = (sbyte)input.Byte();
                SendAck(_sent.Next + (uint)ahead, isHonest: ahead <= 0);
                break;
            case 4:
                SendAny(ref input);
                break;
            case 5:
                Now += 1000L * input.UInt16();
                _tick(Now);
                break;
            case 6:
                Read(input.Byte());
                break;
            default:
                Link(ref input);
                break;
        }

        if (_host.Fault is not null)
        {
            Connect();
        }
    }

    /// <summary>A frame that may be right: of the next sequence number, for a stream that there may be.</summary>
    private void SendPlausible(ref InputReader input)
    {
        var kind = input.Byte();
        var id = Stream(input.Byte());
        switch (kind & 7)
        {
            case 0:
                var streamClass = id >> 1 & 3;
                id = streamClass < StreamClassValues.Count ? ++_opened[streamClass] << 3 | streamClass << 1 : id;
                SendNext(FrameType.Open, (DataFlags)((kind >> 4) & 10), id, input.Take(input.Byte()));
                break;
            case 1:
                SendNext(FrameType.Reset, DataFlags.None, id, [input.Byte(), 0]);
                break;
            case 2:
                // Long ones would make inputs long.
                SendNext(FrameType.Data, Flags(kind), id, new byte[input.UInt16() & 0x1FFF]);
                break;
            default:
                SendNext(FrameType.Data, Flags(kind), id, input.Take(input.Byte()));
                break;
        }
    }

    private void SendAny(ref InputReader input)
    {
        var type = (FrameType)input.Byte();
        var flags = (DataFlags)input.UInt16();
        var stream = input.UInt32();
        if (type == FrameType.Ack)
        {
            _sent.TurnOff();
        }

        if (input.Byte() < 128)
        {
            SendNext(type, flags, stream, input.Take(input.Byte()));
        }
        else
        {
            Send(type, flags, stream, input.UInt32(), input.Take(input.Byte()));
        }
    }

    private static DataFlags Flags(byte kind) => (DataFlags)(kind >> 5);

    /// <summary>Ids of the first streams of each class and side; the rest of the byte is its number.</summary>
    private static uint Stream(byte choice) => choice == 255 ? 0 : (uint)choice;

    private void Link(ref InputReader input)
    {
        switch (input.Byte() & 3)
        {
            case 0:
                Connect();
                break;
            case 1:
                // One that is right but for a few bytes.
                _sent.TurnOff();
                Span<byte> hello = stackalloc byte[Hello.Size];
                Compose(_links, input.Byte() < 128 ? _sent.Hello.Epoch : input.UInt32()).Write(hello);
                for (var count = input.Byte() & 3; count > 0; count--)
                {
                    var at = input.Byte() % Hello.Size;
                    // What the host may send is checked by the limits in these places.
                    hello[at] = at is (>= 4 and < 8) or (>= 92 and < 112) ? hello[at] : input.Byte();
                }

                Send(FrameType.Hello, DataFlags.None, 0, Hello.MarkerSequence, hello);
                break;
            case 2:
                _sent.TurnOff();
                Deliver(input.Take(input.Byte()));
                break;
            default:
                Span<byte> heartbeat = stackalloc byte[HeartbeatCodec.Size];
                heartbeat.Clear();
                heartbeat[0] = input.Byte();
                BinaryPrimitives.WriteUInt64LittleEndian(heartbeat[8..], input.UInt64());
                BinaryPrimitives.WriteUInt64LittleEndian(heartbeat[24..], (ulong)Now - input.UInt32());
                Send(FrameType.Heartbeat, DataFlags.None, 0, 0, heartbeat);
                break;
        }
    }

    /// <summary>Begins a link and makes the handshake.</summary>
    private void Connect()
    {
        if (_links == MaxLinks)
        {
            IsOver = true;
            return;
        }

        // The reason of a fault may follow half of a frame whose session has gone.
        Read(255, isChecked: _host.Fault is null);
        _host.LinkDown(ChannelError.LinkLost, "", Now);
        _sent.BeginLink();
        _host.LinkUp(Now);
        Read(255);
        if (_sent.Hello.Nonce != _session)
        {
            BeginSession();
        }

        _links++;
        _sequence = _sent.Hello.NextExpected;
        SendHello();
        if (_host.Fault is null && !_host.IsEstablished)
        {
            // The host has given its half up.
            Read(255);
            BeginSession();
            SendHello();
        }
    }

    private void BeginSession()
    {
        (_session, _sequence) = (_sent.Hello.Nonce, 0);
        Array.Clear(_opened);
        _sent.BeginSession(FrameChain.Seed(s_nonce, _session));
    }

    private void SendHello()
    {
        Span<byte> hello = stackalloc byte[Hello.Size];
        Compose(_links, _sent.Hello.Epoch).Write(hello);
        Send(FrameType.Hello, DataFlags.None, 0, Hello.MarkerSequence, hello);
    }

    private Hello Compose(uint link, UInt128 echo) => RawHello.Of(PeerRole.Guest) with
    {
        IsEstablished = true,
        MaxFrame = SentCheck.MaxFrame,
        Epoch = 0xE90C000 + link,
        Echo = echo,
        Nonce = s_nonce,
        PeerNonce = _session,
        LinkCount = link,
        NextExpected = _sent.Next,
        StreamCredit = SentCheck.StreamCredit,
        SessionCredit = SentCheck.SessionCredit,
        MaxStreams = new(4, 4, 4),
        Chain = _sent.Chain,
    };

    private void SendAck(uint next, bool isHonest)
    {
        if (!isHonest)
        {
            _sent.TurnOff();
        }

        Send(FrameType.Ack, DataFlags.None, 0, next, []);
    }

    private void SendCredit(uint stream, long limit)
    {
        Span<byte> payload = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(payload, limit);
        _sent.Allow(stream, limit);
        Send(FrameType.Credit, DataFlags.None, stream, 0, payload);
    }

    private void SendNext(FrameType type, DataFlags flags, uint stream, ReadOnlySpan<byte> payload)
    {
        var isSequenced = ((byte)type & FrameHeader.SequencedBit) != 0;
        Send(type, flags, stream, isSequenced ? _sequence : 0, payload);
        _sequence += isSequenced && _host.Fault is null ? 1u : 0;
    }

    private void Send(FrameType type, DataFlags flags, uint stream, uint sequence, ReadOnlySpan<byte> payload) =>
        Deliver(_frame.AsSpan(0, FrameHeader.WriteFrame(_frame, type, flags, stream, sequence, payload)));

    private void Deliver(ReadOnlySpan<byte> bytes)
    {
        for (var tries = 0; tries < 2 && !bytes.IsEmpty; tries++)
        {
            var taken = _receive(bytes, Now);
            BrokenPromiseException.ThrowUnless(taken >= 0 && taken <= bytes.Length, $"{taken} of {bytes.Length} bytes were taken");
            bytes = bytes[taken..];
            Now = Math.Max(Now, _host.ReceivePausedUntil);
        }
    }

    /// <summary>Takes what the host sends, in so many pieces at most.</summary>
    private void Read(int most, bool isChecked = true)
    {
        for (; most > 0; most--)
        {
            var output = _host.GetOutput(Now);
            if (output.IsEmpty)
            {
                return;
            }

            var taken = most == 1 ? (output.Length + 1) / 2 : output.Length;
            if (isChecked)
            {
                _sent.Take(output.Span[..taken]);
            }

            _host.AdvanceOutput(taken);
        }
    }
}
