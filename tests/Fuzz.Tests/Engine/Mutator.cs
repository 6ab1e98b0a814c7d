using System.Buffers.Binary;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>Makes an input out of those that there are.</summary>
/// <param name="random">Decides.</param>
/// <param name="maxLength">Bytes of the longest input.</param>
/// <param name="tokens">Words of the target's language.</param>
internal sealed class Mutator(Random random, int maxLength, IReadOnlyList<byte[]> tokens)
{
    private static readonly int[] s_interesting = [0, 1, -1, 16, 24, 32, 64, 100, 127, 128, 255, 256, 512, 1000, 1024, 4096, 32767, 32768, 65535, 65536, int.MaxValue, int.MinValue];

    private readonly byte[] _buffer = new byte[maxLength];
    private readonly byte[] _copy = new byte[maxLength];
    private int _length;

    /// <summary>An input that is like its parent; valid until the next call.</summary>
    /// <param name="parent">What it begins as.</param>
    /// <param name="other">What a part of it may be taken from.</param>
    internal ReadOnlySpan<byte> Mutate(byte[] parent, byte[] other)
    {
        parent.CopyTo(_buffer, 0);
        _length = parent.Length;
        for (var steps = 1 << random.Next(5); steps > 0; steps--)
        {
            Step(other);
        }

        return _buffer.AsSpan(0, _length);
    }

    private void Step(byte[] other)
    {
        if (_length == 0)
        {
            Insert(0, Noise(random.Next(1, 32)));
            return;
        }

        var at = random.Next(_length);
        switch (random.Next(tokens.Count > 0 ? 12 : 10))
        {
            case 0:
                _buffer[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                _buffer[at] = (byte)random.Next(256);
                break;
            case 2:
                _buffer[at] += (byte)random.Next(-16, 17);
                break;
            case 3:
                Number(at);
                break;
            case 4:
                Remove(at, Piece(_length - at));
                break;
            case 5:
                Insert(at, _buffer.AsSpan(at, Piece(_length - at)));
                break;
            case 6:
                var from = random.Next(_length);
                Insert(at, _buffer.AsSpan(from, Piece(_length - from)));
                break;
            case 7:
                Insert(random.Next(_length + 1), Noise(random.Next(1, 16)));
                break;
            case 8 when other.Length > 0:
                var start = random.Next(other.Length);
                Insert(at, other.AsSpan(start, Piece(other.Length - start)));
                break;
            case 9 when other.Length > 0:
                _length = at;
                Insert(at, other.AsSpan(random.Next(other.Length)));
                break;
            case 10:
                Insert(random.Next(_length + 1), tokens[random.Next(tokens.Count)]);
                break;
            case 11:
                var token = tokens[random.Next(tokens.Count)].AsSpan();
                token[..Math.Min(token.Length, _length - at)].CopyTo(_buffer.AsSpan(at));
                break;
            default:
                _buffer[at] = 0;
                break;
        }
    }

    private void Number(int at)
    {
        Span<byte> number = stackalloc byte[4];
        var value = s_interesting[random.Next(s_interesting.Length)] + random.Next(-2, 3);
        if (random.Next(4) == 0)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, value);
            number = number[random.Next(4)..];
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, value);
            number = number[..(1 << random.Next(3))];
        }

        number[..Math.Min(number.Length, _length - at)].CopyTo(_buffer.AsSpan(at));
    }

    // Mostly short.
    private int Piece(int most) => random.Next(4) == 0 ? random.Next(1, most + 1) : Math.Min(most, 1 << random.Next(5));

    private void Remove(int at, int count)
    {
        _buffer.AsSpan(at + count, _length - at - count).CopyTo(_buffer.AsSpan(at));
        _length -= count;
    }

    private void Insert(int at, ReadOnlySpan<byte> bytes)
    {
        // It may be a part of the buffer itself.
        var piece = _copy.AsSpan(0, Math.Min(bytes.Length, maxLength - _length));
        bytes[..piece.Length].CopyTo(piece);
        _buffer.AsSpan(at, _length - at).CopyTo(_buffer.AsSpan(at + piece.Length));
        piece.CopyTo(_buffer.AsSpan(at));
        _length += piece.Length;
    }

    private byte[] Noise(int length)
    {
        var noise = new byte[length];
        random.NextBytes(noise);
        return noise;
    }
}
