using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>Checks what a host sends: whole frames, in sequence, within its credit, after any attack.</summary>
internal sealed class SentCheck
{
    internal const int MaxFrame = 4096;
    internal const long SessionCredit = 8192;

    private readonly Dictionary<uint, long> _limits = [];
    private readonly Dictionary<uint, long> _sent = [];
    private byte[] _bytes = new byte[MaxFrame * 4];
    private int _length;
    private bool _isOff;

    internal static StreamClassValues StreamCredit { get; } = new(2048, 2048, 2048);

    /// <summary>The last HELLO.</summary>
    internal Hello Hello { get; private set; }

    /// <summary>The sequence number that comes next.</summary>
    internal uint Next { get; private set; }

    /// <summary>Checksum of the frames that came.</summary>
    internal ulong Chain { get; private set; }

    internal void BeginLink() => (_length, _isOff) = (0, false);

    internal void BeginSession(ulong chain)
    {
        (Next, Chain) = (0, chain);
        _limits.Clear();
        _sent.Clear();
    }

    /// <summary>
    /// The guest acknowledges what it may not have read, or restarts on the same bytes: the host may leave the rest of a frame out,
    /// until the next link.
    /// </summary>
    internal void TurnOff() => _isOff = true;

    /// <summary>A CREDIT frame is about to be sent to the host.</summary>
    internal void Allow(uint stream, long limit)
    {
        if (limit is >= 0 and <= SessionOptions.MaxCreditLimit)
        {
            _limits[stream] = Math.Max(Limit(stream), limit);
        }
    }

    internal void Take(ReadOnlySpan<byte> bytes)
    {
        if (_isOff)
        {
            return;
        }

        if (_length + bytes.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, 2 * (_length + bytes.Length));
        }

        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
        var at = 0;
        while (_length - at >= FrameHeader.Size)
        {
            var frame = _bytes.AsSpan(at, _length - at);
            BrokenPromiseException.ThrowUnless(FrameHeader.TryRead(frame, out var header) == HeaderStatus.Ok, $"a frame with a wrong header was sent\n{Convert.ToHexString(frame[..Math.Min(frame.Length, 200)])}");
            BrokenPromiseException.ThrowUnless(header.Length <= MaxFrame, $"a frame of {header.Length} bytes was sent; the peer takes {MaxFrame}");
            if (frame.Length < FrameHeader.Size + header.Length)
            {
                break;
            }

            Check(header, frame.Slice(FrameHeader.Size, header.Length));
            at += FrameHeader.Size + header.Length;
        }

        _bytes.AsSpan(at, _length - at).CopyTo(_bytes);
        _length -= at;
    }

    private void Check(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        BrokenPromiseException.ThrowUnless(payload.IsEmpty || Crc32C.Compute(payload) == header.PayloadCrc, "a frame with a wrong payload was sent");
        if (header.Type == FrameType.Hello)
        {
            Hello = Hello.Read(payload);
        }

        if (!header.IsSequenced || header.Sequence != Next)
        {
            // Sent again after a link has gone; a gap is what no link may have.
            BrokenPromiseException.ThrowUnless(!header.IsSequenced || Next - header.Sequence <= int.MaxValue, $"frame {header.Sequence} was sent, {Next} comes next");
            return;
        }

        Next++;
        Chain = FrameChain.Add(Chain, header.PayloadCrc, header.HeaderCrc);
        if (header.Type == FrameType.Data)
        {
            Count(header.Stream, FrameHeader.Size + payload.Length);
            if ((StreamClass)(header.Stream >> 1 & 3) != StreamClass.Control)
            {
                Count(0, FrameHeader.Size + payload.Length);
            }
        }
    }

    private void Count(uint stream, int cost)
    {
        var sum = _sent.GetValueOrDefault(stream) + cost;
        _sent[stream] = sum;
        BrokenPromiseException.ThrowUnless(sum <= Limit(stream), $"{sum} bytes were sent on stream {stream}, whose limit is {Limit(stream)}");
    }

    private long Limit(uint stream) =>
        _limits.GetValueOrDefault(stream, stream == 0 ? SessionCredit : StreamCredit[(int)Math.Min(stream >> 1 & 3, 2)]);
}
