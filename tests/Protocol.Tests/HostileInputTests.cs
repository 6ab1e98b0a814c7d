using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Frames that an honest peer never sends: each ends in its typed error, and nothing else is disturbed.</summary>
public class HostileInputTests
{
    private readonly Peer _host = new(PeerRole.Host, seed: 2);
    private readonly Wire _wire;
    private uint _sequence;

    public HostileInputTests()
    {
        _wire = new Wire(new Peer(PeerRole.Guest, seed: 1), _host);
        _wire.Connect();
        _wire.Run();
    }

    private ChannelError? Send(FrameType type, uint stream, uint sequence, ReadOnlySpan<byte> payload, DataFlags flags = DataFlags.None)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        FrameHeader.WriteFrame(frame, type, flags, stream, sequence, payload);
        return SendRaw(frame);
    }

    private ChannelError? SendRaw(ReadOnlySpan<byte> bytes)
    {
        _host.Session.Receive(bytes, _wire.Now);
        return _host.Session.Fault?.Code;
    }

    private ChannelError? SendNext(FrameType type, uint stream, ReadOnlySpan<byte> payload, DataFlags flags = DataFlags.None) =>
        Send(type, stream, _sequence++, payload, flags);

    private static byte[] Limit(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }

    private const uint GuestRpc1 = 1 << 3 | 1 << 1;
    private const uint HostRpc1 = 1 << 3 | 1 << 1 | 1;

    [Fact]
    public void A_flipped_header_bit_is_a_corrupt_frame()
    {
        var frame = new byte[FrameHeader.Size];
        FrameHeader.WriteFrame(frame, FrameType.Ack, DataFlags.None, 0, 0, []);
        frame[9] ^= 4;
        Assert.Equal(ChannelError.CorruptFrame, SendRaw(frame));
    }

    [Fact]
    public void A_flipped_payload_bit_is_a_corrupt_frame()
    {
        var frame = new byte[FrameHeader.Size + 8];
        FrameHeader.WriteFrame(frame, FrameType.Data, DataFlags.None, GuestRpc1, 0, new byte[8]);
        frame[^1] ^= 1;
        Assert.Equal(ChannelError.CorruptFrame, SendRaw(frame));
    }

    [Fact]
    public void A_frame_longer_than_agreed_is_refused_by_its_header_alone()
    {
        var frame = new byte[FrameHeader.Size];
        FrameHeader.WriteFrame(frame, FrameType.Data, DataFlags.None, GuestRpc1, 0, []);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), 0xFFFFFFFF);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(20), Crc32C.Compute(frame.AsSpan(0, 20)));
        Assert.Equal(ChannelError.OversizeFrame, SendRaw(frame));
    }

    [Fact]
    public void A_truncated_frame_waits_for_its_rest_and_holds_no_memory()
    {
        var frame = new byte[FrameHeader.Size + 100];
        FrameHeader.WriteFrame(frame, FrameType.Open, DataFlags.None, GuestRpc1, 0, new byte[100]);
        for (var length = 1; length < frame.Length; length++)
        {
            Assert.Equal(0, _host.Session.Receive(frame.AsSpan(0, length), _wire.Now));
        }

        Assert.Null(_host.Session.Fault);
        Assert.Equal(frame.Length, _host.Session.Receive(frame, _wire.Now));
        Assert.Single(_host.Opened);
    }

    [Fact]
    public void An_unknown_frame_type_is_named() => Assert.Equal(ChannelError.UnknownFrame, Send((FrameType)0x0E, 0, 0, []));

    [Fact]
    public void An_acknowledgement_beyond_the_sent_frames_ends_the_session()
    {
        Assert.Equal(ChannelError.AckOutOfRange, Send(FrameType.Ack, 0, 1, []));
        Assert.Equal(1, _host.Lost);
    }

    [Fact]
    public void An_acknowledgement_that_was_said_before_does_no_harm()
    {
        _host.Session.Write(_host.Open("a"), Peer.Number(1), DataFlags.None);
        _wire.Run(100_000);
        Assert.Equal(0, _host.Session.HeldBytes);
        Assert.Null(Send(FrameType.Ack, 0, 0, []));
        Assert.Null(Send(FrameType.Ack, 0, 1, []));
        Assert.Equal(ChannelError.AckOutOfRange, Send(FrameType.Ack, 0, 0xFFFFFFFF, []));
    }

    [Theory]
    [InlineData(0x03, 4, 0, 0, 32)]
    [InlineData(0x03, 0, 10, 0, 32)]
    [InlineData(0x03, 0, 0, 1, 32)]
    [InlineData(0x02, 1, 0, 0, 4)]
    [InlineData(0x04, 1, 0, 0, 0)]
    [InlineData(0x04, 0, 10, 0, 0)]
    [InlineData(0x05, 1, 0, 0, 8)]
    [InlineData(0x05, 0, 0, 1, 8)]
    [InlineData(0x05, 256, 0, 0, 8)]
    [InlineData(0x12, 1, 10, 0, 2)]
    [InlineData(0x01, 2, 0, 0x4E414843, 128)]
    public void A_field_that_a_frame_does_not_have_is_malformed(byte type, ushort flags, uint stream, uint sequence, int size) =>
        Assert.Equal(ChannelError.MalformedFrame, Send((FrameType)type, stream, sequence, new byte[size], (DataFlags)flags));

    [Fact]
    public void A_frame_of_another_version_is_told_as_that()
    {
        var frame = new byte[FrameHeader.Size];
        FrameHeader.WriteFrame(frame, FrameType.Ack, DataFlags.None, 0, 0, []);
        frame[0] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(20), Crc32C.Compute(frame.AsSpan(0, 20)));
        Assert.Equal(ChannelError.VersionMismatch, SendRaw(frame));
        Assert.Contains("version 2", _host.Session.Fault!.Value.Text);
    }

    [Theory]
    [InlineData(0x05, 8)]
    [InlineData(0x11, 1)]
    [InlineData(0x12, 2)]
    public void A_frame_of_a_stream_id_without_class_or_number_is_refused(byte type, int size)
    {
        Assert.Equal(ChannelError.BadStreamId, Send((FrameType)type, 1 << 3 | 3 << 1, 0, new byte[size]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void Credit_that_overflows_is_refused(long limit) =>
        Assert.Equal(ChannelError.CreditOverflow, Send(FrameType.Credit, 0, 0, Limit(limit)));

    [Fact]
    public void Credit_for_a_stream_that_never_was_is_refused() =>
        Assert.Equal(ChannelError.BadStreamId, Send(FrameType.Credit, HostRpc1, 0, Limit(100)));

    [Fact]
    public void A_stream_id_used_again_is_refused()
    {
        Assert.Null(SendNext(FrameType.Open, GuestRpc1, "x"u8));
        Assert.Null(SendNext(FrameType.Reset, GuestRpc1, [1, 0]));
        Assert.Equal(ChannelError.BadStreamId, SendNext(FrameType.Open, GuestRpc1, "x"u8));
    }

    [Theory]
    [InlineData(HostRpc1)]
    [InlineData(0u)]
    [InlineData(1u << 3 | 3 << 1)]
    [InlineData(1u << 1)]
    public void A_stream_id_of_the_other_side_or_of_no_class_is_refused(uint id)
    {
        Assert.Equal(ChannelError.BadStreamId, SendNext(FrameType.Open, id, "x"u8));
    }

    [Fact]
    public void Data_on_a_stream_that_was_never_opened_is_refused() =>
        Assert.Equal(ChannelError.BadStreamId, SendNext(FrameType.Data, GuestRpc1, "x"u8));

    [Fact]
    public void Data_after_the_end_of_a_direction_is_refused()
    {
        SendNext(FrameType.Open, GuestRpc1, "x"u8);
        Assert.Null(SendNext(FrameType.Data, GuestRpc1, "x"u8, DataFlags.Fin));
        Assert.Equal(ChannelError.StreamClosed, SendNext(FrameType.Data, GuestRpc1, "x"u8));
    }

    [Fact]
    public void Late_data_on_a_stream_that_this_side_reset_is_ignored()
    {
        SendNext(FrameType.Open, GuestRpc1, "x"u8);
        _host.Session.Reset(_host.Opened[0], ChannelError.Cancelled);
        Assert.Null(SendNext(FrameType.Data, GuestRpc1, new byte[1000]));
        Assert.Null(SendNext(FrameType.Reset, GuestRpc1, [0, 0]));
    }

    [Fact]
    public void More_than_the_credit_ends_the_session_and_nothing_is_stored()
    {
        _host.ConsumeAtOnce = false;
        SendNext(FrameType.Open, GuestRpc1, "x"u8);
        ChannelError? error = null;
        for (var i = 0; i < 100 && error is null; i++)
        {
            error = SendNext(FrameType.Data, GuestRpc1, new byte[1000]);
        }

        Assert.Equal(ChannelError.CreditExceeded, error);
        Assert.InRange(_host.UnconsumedBytes, 1, 64 << 10);
    }

    [Fact]
    public void Empty_messages_cost_credit_too()
    {
        _host.ConsumeAtOnce = false;
        SendNext(FrameType.Open, GuestRpc1, "x"u8);
        ChannelError? error = null;
        var count = 0;
        while (error is null && count < 100_000)
        {
            error = SendNext(FrameType.Data, GuestRpc1, []);
            count++;
        }

        Assert.Equal(ChannelError.CreditExceeded, error);
        Assert.Equal((64 << 10) / FrameHeader.Size + 1, count);
    }

    [Fact]
    public void A_stream_too_many_is_reset_and_the_others_go_on()
    {
        for (uint n = 1; n <= 129; n++)
        {
            Assert.Null(SendNext(FrameType.Open, n << 3 | 1 << 1, "x"u8));
        }

        Assert.Equal(128, _host.Opened.Count);
    }

    [Fact]
    public void A_skipped_sequence_number_drops_the_link_and_keeps_the_session()
    {
        Assert.Equal(ChannelError.SequenceGap, Send(FrameType.Open, GuestRpc1, 5, "x"u8));
        Assert.Equal(0, _host.Lost);
    }

    [Fact]
    public void A_repeated_frame_is_dropped()
    {
        Send(FrameType.Open, GuestRpc1, 0, "x"u8);
        Assert.Null(Send(FrameType.Open, GuestRpc1, 0, "x"u8));
        Assert.Single(_host.Opened);
    }

    [Theory]
    [InlineData(0x02, 3)]
    [InlineData(0x03, 31)]
    [InlineData(0x04, 1)]
    [InlineData(0x05, 7)]
    [InlineData(0x12, 1)]
    public void A_known_type_with_a_wrong_size_is_malformed(byte type, int size)
    {
        var isSequenced = (type & FrameHeader.SequencedBit) != 0;
        Assert.Equal(ChannelError.MalformedFrame, Send((FrameType)type, isSequenced ? GuestRpc1 : 0, 0, new byte[size]));
    }

    [Fact]
    public void Text_of_the_peer_cannot_write_to_a_terminal()
    {
        var payload = new byte[4 + GoAway.MaxText];
        var length = GoAway.Write(payload, ChannelError.Internal, endsSession: true, "bad\u001b[2J\r\nfake log line\u202e");
        Send(FrameType.GoAway, 0, 0, payload.AsSpan(0, length));
        Assert.DoesNotContain(_host.Session.Fault!.Value.Text, c => char.IsControl(c) || c == '\u202e');
    }

    [Fact]
    public void Random_bytes_and_mutated_frames_never_crash_the_receiver()
    {
        var recorded = new List<byte>();
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 5), new Peer(PeerRole.Host, seed: 6));
        wire.ToHost.Record = recorded;
        wire.Connect();
        wire.Run();
        wire.Guest.Session.Write(wire.Guest.Open("seed"), Peer.Number(1, 3000), DataFlags.Fin);
        wire.Run(2_000_000);
        wire.ToHost.Record = null;
        var seed = recorded.ToArray();
        for (var round = 0; round < 20_000; round++)
        {
            var random = new Random(round);
            var host = new Peer(PeerRole.Host, seed: 7);
            host.Session.LinkUp(1);
            var bytes = (byte[])seed.Clone();
            for (var i = random.Next(1, 8); i > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var length = random.Next(1, bytes.Length);
            host.Session.Receive(bytes.AsSpan(0, length), 2);
            host.Session.GetOutput(3);
            Assert.InRange(host.Session.HeldBytes, 0, 1 << 20);
        }
    }
}
