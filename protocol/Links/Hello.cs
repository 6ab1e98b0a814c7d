using System.Buffers.Binary;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Links;

/// <summary>
/// Payload of a HELLO frame (PROTOCOL.md section 4). Its layout never changes; a later version may add bytes at its end
/// (up to 1024 in all), which an older one ignores. A HELLO is found in a stream of unknown bytes by <see cref="Marker"/>.
/// </summary>
internal record struct Hello
{
    /// <summary>Payload size that this version writes.</summary>
    public const int Size = 128;
    public const int MaxSize = 1024;
    /// <summary>Value of the sequence field of a HELLO's header: the text "CHAN".</summary>
    public const uint MarkerSequence = 0x4E414843;

    /// <summary>The first twelve bytes of every HELLO frame.</summary>
    public static ReadOnlySpan<byte> Marker => [1, (byte)FrameType.Hello, 0, 0, 0, 0, 0, 0, (byte)'C', (byte)'H', (byte)'A', (byte)'N'];

    public byte MinVersion { get; set; }
    public byte MaxVersion { get; set; }
    public PeerRole Role { get; set; }
    /// <summary>The sender's handshake is done. A sender whose handshake is not done has dropped all frames of this link.</summary>
    public bool IsEstablished { get; set; }
    /// <summary>Largest payload the sender accepts, 1024..65536 bytes.</summary>
    public int MaxFrame { get; set; }
    /// <summary>Random name of the sender's link.</summary>
    public UInt128 Epoch { get; set; }
    /// <summary>The receiver's epoch as the sender knows it, or 0. Equal to the receiver's own: this HELLO is fresh.</summary>
    public UInt128 Echo { get; set; }
    /// <summary>Random name of the sender's half of the session.</summary>
    public UInt128 Nonce { get; set; }
    /// <summary>The receiver's half that the sender is paired with, or 0.</summary>
    public UInt128 PeerNonce { get; set; }
    /// <summary>Links that the sender's half has begun; a copy of it that comes back with a lower one is stale.</summary>
    public uint LinkCount { get; set; }
    /// <summary>Next sequence number that the sender expects: all before it has arrived.</summary>
    public uint NextExpected { get; set; }
    public ulong Capabilities { get; set; }
    /// <summary>Milliseconds between the sender's heartbeats, 10..60000.</summary>
    public int HeartbeatInterval { get; set; }
    /// <summary>Initial credit of a new stream, bytes, by class.</summary>
    public StreamClassValues StreamCredit { get; set; }
    /// <summary>Absolute limit of payload bytes of non-control streams in this session.</summary>
    public long SessionCredit { get; set; }
    /// <summary>Streams that the receiver may have open, by class.</summary>
    public StreamClassValues MaxStreams { get; set; }
    /// <summary><see cref="FrameChain"/> of the frames before <see cref="NextExpected"/>, or 0 while the sender is unpaired.</summary>
    public ulong Chain { get; set; }

    public readonly void Write(Span<byte> p)
    {
        p[..Size].Clear();
        p[0] = MinVersion;
        p[1] = MaxVersion;
        p[2] = (byte)Role;
        p[3] = IsEstablished ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(p[4..], MaxFrame);
        BinaryPrimitives.WriteUInt128LittleEndian(p[8..], Epoch);
        BinaryPrimitives.WriteUInt128LittleEndian(p[24..], Echo);
        BinaryPrimitives.WriteUInt128LittleEndian(p[40..], Nonce);
        BinaryPrimitives.WriteUInt128LittleEndian(p[56..], PeerNonce);
        BinaryPrimitives.WriteUInt32LittleEndian(p[72..], LinkCount);
        BinaryPrimitives.WriteUInt32LittleEndian(p[76..], NextExpected);
        BinaryPrimitives.WriteUInt64LittleEndian(p[80..], Capabilities);
        BinaryPrimitives.WriteInt32LittleEndian(p[88..], HeartbeatInterval);
        for (var i = 0; i < 3; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(p[(92 + 4 * i)..], StreamCredit[i]);
            BinaryPrimitives.WriteUInt16LittleEndian(p[(112 + 2 * i)..], (ushort)MaxStreams[i]);
        }

        BinaryPrimitives.WriteInt64LittleEndian(p[104..], SessionCredit);
        BinaryPrimitives.WriteUInt64LittleEndian(p[120..], Chain);
    }

    /// <summary>
    /// Reads a payload whose CRC was right and whose size is allowed. Only roles and versions may be looked at before
    /// <see cref="FindProblem"/>: a later version may have other ranges, and must be told that it is one.
    /// </summary>
    public static Hello Read(ReadOnlySpan<byte> untrusted) =>
        new()
        {
            MinVersion = untrusted[0],
            MaxVersion = untrusted[1],
            Role = (PeerRole)untrusted[2],
            IsEstablished = (untrusted[3] & 1) != 0,
            MaxFrame = BinaryPrimitives.ReadInt32LittleEndian(untrusted[4..]),
            Epoch = BinaryPrimitives.ReadUInt128LittleEndian(untrusted[8..]),
            Echo = BinaryPrimitives.ReadUInt128LittleEndian(untrusted[24..]),
            Nonce = BinaryPrimitives.ReadUInt128LittleEndian(untrusted[40..]),
            PeerNonce = BinaryPrimitives.ReadUInt128LittleEndian(untrusted[56..]),
            LinkCount = BinaryPrimitives.ReadUInt32LittleEndian(untrusted[72..]),
            NextExpected = BinaryPrimitives.ReadUInt32LittleEndian(untrusted[76..]),
            Capabilities = BinaryPrimitives.ReadUInt64LittleEndian(untrusted[80..]),
            HeartbeatInterval = BinaryPrimitives.ReadInt32LittleEndian(untrusted[88..]),
            StreamCredit = StreamClassValues.ReadInt32(untrusted[92..]),
            SessionCredit = BinaryPrimitives.ReadInt64LittleEndian(untrusted[104..]),
            MaxStreams = StreamClassValues.ReadUInt16(untrusted[112..]),
            Chain = BinaryPrimitives.ReadUInt64LittleEndian(untrusted[120..]),
        };

    /// <summary>What of it is out of range, for a person, or "".</summary>
    public readonly string FindProblem() => this switch
    {
        { Role: not (PeerRole.Guest or PeerRole.Host) } => $"role {(byte)Role}, allowed are 1 (guest) and 2 (host)",
        { MinVersion: 0 } => "version 0",
        { MaxFrame: < SessionOptions.SmallestMaxFrame or > SessionOptions.LargestMaxFrame } => $"largest frame {MaxFrame}",
        { HeartbeatInterval: < 10 or > 60_000 } => $"heartbeat interval {HeartbeatInterval} ms",
        { SessionCredit: < 0 or > SessionOptions.MaxCreditLimit } => "session credit out of range",
        _ when MinVersion > MaxVersion => $"versions {MinVersion} to {MaxVersion}",
        _ when Epoch == 0 || Nonce == 0 => "an epoch or nonce of zero",
        _ when StreamCredit.Smallest < 0 => "a stream credit of 2^31 or more",
        _ => "",
    };
}
