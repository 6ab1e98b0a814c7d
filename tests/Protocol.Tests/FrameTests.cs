using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

public class FrameTests
{
    [Fact]
    public void Crc32C_matches_the_published_check_values()
    {
        // RFC 3720 appendix B.4.
        Assert.Equal(0xE3069283, Crc32C.Compute("123456789"u8));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
    }

    [Fact]
    public void Crc32C_of_long_inputs_equals_the_bitwise_definition()
    {
        var data = new byte[70_001];
        new Random(3).NextBytes(data);
        foreach (var length in new[] { 1, 7, 8, 4079, 4080, 4081, 8160, 65_536, 70_001 })
        {
            Assert.Equal(Bitwise(data.AsSpan(0, length)), Crc32C.Compute(data.AsSpan(0, length)));
        }

        static uint Bitwise(ReadOnlySpan<byte> bytes)
        {
            var crc = uint.MaxValue;
            foreach (var b in bytes)
            {
                crc ^= b;
                for (var i = 0; i < 8; i++)
                {
                    crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
                }
            }

            return ~crc;
        }
    }

    /// <summary>Each line of protocol/vectors/frames.txt: name, type, flags, stream, sequence, payload, whole frame; all in hex.</summary>
    public static TheoryData<string, byte, byte, uint, uint, string, string> Vectors()
    {
        var data = new TheoryData<string, byte, byte, uint, uint, string, string>();
        foreach (var line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "vectors", "frames.txt")))
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            var f = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            data.Add(f[0], Convert.ToByte(f[1], 16), Convert.ToByte(f[2], 16), Convert.ToUInt32(f[3], 16), Convert.ToUInt32(f[4], 16), f[5] == "-" ? "" : f[5], f[6]);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Frames_are_written_and_read_as_the_vectors_say(string name, byte type, byte flags, uint stream, uint sequence, string payload, string frame)
    {
        var body = Convert.FromHexString(payload);
        var written = new byte[FrameHeader.Size + body.Length];
        FrameHeader.WriteFrame(written, (FrameType)type, (DataFlags)flags, stream, sequence, body);
        Assert.Equal(frame, Convert.ToHexStringLower(written));

        Assert.Equal(HeaderStatus.Ok, FrameHeader.TryRead(Convert.FromHexString(frame), out var header));
        Assert.Equal((type, flags, stream, sequence, body.Length), ((byte)header.Type, (byte)header.Flags, header.Stream, header.Sequence, header.Length));
        Assert.False(string.IsNullOrEmpty(name));
    }

    [Fact]
    public void The_hello_vector_reads_as_the_specification_says_and_is_written_the_same()
    {
        var line = Vectors().Single(v => v[0] is "hello");
        var payload = Convert.FromHexString((string)line[5]!);
        var hello = Hello.Read(payload);
        Assert.Equal("", hello.FindProblem());
        Assert.Equal(PeerRole.Guest, hello.Role);
        Assert.Equal((1, 1), (hello.MinVersion, hello.MaxVersion));
        Assert.Equal(65536, hello.MaxFrame);
        Assert.Equal(new StreamClassValues(16384, 65536, 1048576), hello.StreamCredit);
        Assert.Equal(new StreamClassValues(16, 128, 8), hello.MaxStreams);
        var again = new byte[Hello.Size];
        hello.Write(again);
        Assert.Equal(payload, again);
        Assert.True(Convert.FromHexString((string)line[6]!).AsSpan().StartsWith(Hello.Marker));
    }

    [Fact]
    public void The_chain_of_frames_is_what_the_vectors_say()
    {
        var lines = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "vectors", "chain.txt")).Where(l => l[0] != '#').Select(l => l.Split(' ')).ToArray();
        var nonces = lines[0].Take(2).Select(n => UInt128.Parse(n, System.Globalization.NumberStyles.HexNumber)).ToArray();
        var chain = FrameChain.Seed(nonces[0], nonces[1]);
        Assert.Equal(lines[0][2], $"{chain:x16}");
        foreach (var line in lines.Skip(1))
        {
            chain = FrameChain.AddFrame(chain, Convert.FromHexString(line[0]));
            Assert.Equal(line[1], $"{chain:x16}");
        }
    }

    [Fact]
    public void Stream_numbers_wrap_around_and_skip_the_living()
    {
        var ids = default(StreamIds);
        Assert.True(ids.TryAdvance(((uint.MaxValue >> 3) / 2 + 1000) << 3 | 2, StreamClass.Rpc));
        Assert.True(ids.TryAdvance(uint.MaxValue >> 3 << 3 | 2, StreamClass.Rpc));
        var alive = new Dictionary<uint, SessionStream> { [1 << 3 | 2] = new() };
        Assert.Equal(2u << 3 | 2, ids.Next(PeerRole.Guest, StreamClass.Rpc, alive));
        Assert.True(ids.WasUsed(uint.MaxValue >> 3 << 3 | 2, StreamClass.Rpc));
        Assert.False(ids.WasUsed(3 << 3 | 2, StreamClass.Rpc));
    }

    [Theory]
    [InlineData("MaxFrame", 1023)]
    [InlineData("ReplayBytes", 1)]
    public void An_option_out_of_range_is_named_with_what_is_allowed(string name, int value)
    {
        var options = name == "MaxFrame" ? new SessionOptions { MaxFrame = value } : new SessionOptions { ReplayBytes = value };
        var error = Assert.Throws<ChannelException>(options.Validate);
        Assert.Equal((ChannelError.BadConfiguration, ErrorOrigin.Configuration), (error.Code, error.Origin));
        Assert.Contains($"{name} is {value}", error.Message);
        Assert.Contains("allowed are", error.Message);
    }

    [Fact]
    public void Every_error_code_is_in_the_specification_and_in_its_range()
    {
        var text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "PROTOCOL.md"), Encoding.UTF8);
        foreach (var code in Enum.GetValues<ChannelError>())
        {
            Assert.Contains($"| {(int)code} | {code} |", text);
        }
    }

    [Fact]
    public void Steady_state_sends_and_receives_allocate_nothing()
    {
        var wire = new Wire(new Peer(PeerRole.Guest, seed: 1), new Peer(PeerRole.Host, seed: 2));
        wire.Connect();
        wire.Run();
        var handler = new Counting();
        var guest = new Session(PeerRole.Guest, new SessionOptions(), handler, handler, NextNonce);
        var host = new Session(PeerRole.Host, new SessionOptions(), handler, handler, NextNonce);
        handler.Owner = host;
        guest.LinkUp(1);
        host.LinkUp(1);
        long now = 1;
        Pump(guest, host, now);
        var stream = guest.Open(StreamClass.Rpc, "x"u8, fin: false, null);
        var message = new byte[64];
        var large = new byte[60_000];
        for (var i = 0; i < 2000; i++)
        {
            Once(ref now);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            Once(ref now);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(12_000 * (64L + 60_000), handler.Bytes);

        void Once(ref long now)
        {
            now += 100;
            guest.Tick(now);
            host.Tick(now);
            guest.Write(stream, message, DataFlags.None);
            Pump(guest, host, now);
            guest.Write(stream, large, DataFlags.None);
            Pump(guest, host, now);
        }
    }

    private ulong _nonce;

    private UInt128 NextNonce() => ++_nonce * 0x9E3779B97F4A7C15;

    private static void Pump(Session a, Session b, long now)
    {
        while (MoveOnce(a, b, now) | MoveOnce(b, a, now))
        {
        }
    }

    private static bool MoveOnce(Session from, Session to, long now)
    {
        var output = from.GetOutput(now);
        if (output.IsEmpty)
        {
            return false;
        }

        if (to.Receive(output.Span, now) != output.Length)
        {
            throw new InvalidOperationException("whole frames are taken whole");
        }

        from.AdvanceOutput(output.Length);
        return true;
    }

    private sealed class Counting : ISessionHandler, ISessionEvents
    {
        public Session? Owner { get; set; }
        public long Bytes { get; private set; }

        public void OnEstablished(bool resumed)
        {
        }

        public void OnLinkLost(ChannelError error, string text) => Assert.Fail(text);

        public void OnSessionLost(ChannelError error, string text) => Assert.Fail(text);

        public void OnPeerHeartbeat(in Heartbeat heartbeat)
        {
        }

        public void OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin)
        {
        }

        public void OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags)
        {
            Bytes += untrustedData.Length;
            Owner!.Consume(stream, untrustedData.Length);
        }

        public void OnReset(SessionStream stream, ChannelError code) => Assert.Fail($"{code}");

        public void OnWriteDone(SessionStream stream)
        {
        }

        public void OnClosed(SessionStream stream)
        {
        }
    }
}
