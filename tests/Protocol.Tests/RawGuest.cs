using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A guest that is frames only: it has no session, acknowledges nothing, and reads of its host no more than the HELLO.</summary>
internal sealed class RawGuest(Session host)
{
    private static readonly UInt128 s_nonce = 0x6E6F6E6365;
    private readonly byte[] _frame = new byte[FrameHeader.Size + SessionOptions.LargestMaxFrame];
    private UInt128 _session;
    private uint _links;
    private uint _arrived;

    public uint Sequence { get; set; }
    public long Now { get; set; } = 1_000_000;
    public int StreamCredit { get; init; } = 1 << 20;
    public long SessionCredit { get; set; } = 1 << 30;

    /// <summary>Credit limits by stream, 0 for the session, that <see cref="ReadData"/> saw.</summary>
    public Dictionary<uint, long> Limits { get; } = [];

    /// <summary>Begins a link and makes the handshake.</summary>
    public void Connect()
    {
        host.LinkDown(ChannelError.LinkLost, "", Now);
        host.LinkUp(Now);
        var hello = ReadHello();
        if (hello.Nonce != _session)
        {
            (_session, Sequence) = (hello.Nonce, 0);
        }

        SendHello(++_links, hello.Epoch, hello.Nonce);
    }

    public void SendHello(uint link, UInt128 echo, UInt128 peerNonce)
    {
        var hello = RawHello.Of(PeerRole.Guest) with
        {
            IsEstablished = true,
            Epoch = 0xE90C000 + link,
            Echo = echo,
            Nonce = s_nonce,
            PeerNonce = peerNonce,
            LinkCount = link,
            StreamCredit = new(StreamCredit, StreamCredit, StreamCredit),
            SessionCredit = SessionCredit,
            Chain = FrameChain.Seed(s_nonce, _session),
        };
        Span<byte> payload = stackalloc byte[Hello.Size];
        hello.Write(payload);
        Send(FrameType.Hello, 0, payload, sequence: Hello.MarkerSequence);
    }

    public void Send(FrameType type, uint stream, ReadOnlySpan<byte> payload, DataFlags flags = DataFlags.None, uint? sequence = null)
    {
        var isNext = sequence is null && ((byte)type & FrameHeader.SequencedBit) != 0;
        var size = FrameHeader.WriteFrame(_frame, type, flags, stream, sequence ?? (isNext ? Sequence : 0), payload);
        if (host.Receive(_frame.AsSpan(0, size), Now) != size)
        {
            Now = Math.Max(Now, host.ReceivePausedUntil);
            host.Receive(_frame.AsSpan(0, size), Now);
        }

        Sequence += isNext && host.Fault is null ? 1u : 0;
    }

    public void SendLimit(uint stream, long limit)
    {
        Span<byte> payload = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(payload, limit);
        Send(FrameType.Credit, stream, payload);
    }

    /// <summary>Says that all has arrived that the host has sent: frames that <see cref="ReadData"/> saw.</summary>
    public void Acknowledge() => Send(FrameType.Ack, 0, [], sequence: _arrived);

    /// <summary>Payload sizes of the DATA frames that the host sends now.</summary>
    public List<int> ReadData()
    {
        var sizes = new List<int>();
        for (var output = host.GetOutput(Now).Span; !output.IsEmpty; output = host.GetOutput(Now).Span)
        {
            for (var at = 0; at < output.Length;)
            {
                Assert.Equal(HeaderStatus.Ok, FrameHeader.TryRead(output[at..], out var header));
                at += FrameHeader.Size + header.Length;
                _arrived += header.IsSequenced ? 1u : 0;
                if (header.Type == FrameType.Credit)
                {
                    Limits[header.Stream] = BinaryPrimitives.ReadInt64LittleEndian(output[(at - sizeof(long))..]);
                }

                if (header.Type == FrameType.Data)
                {
                    sizes.Add(header.Length);
                }
            }

            host.AdvanceOutput(output.Length);
        }

        return sizes;
    }

    private Hello ReadHello()
    {
        var output = host.GetOutput(Now);
        var hello = Hello.Read(output.Span.Slice(FrameHeader.Size, Hello.Size));
        host.AdvanceOutput(output.Length);
        return hello;
    }
}
