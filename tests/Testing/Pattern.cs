using System.Buffers.Binary;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Testing;

/// <summary>A byte sequence whose every byte follows from its offset, so that loss, repetition and order are seen.</summary>
public static class Pattern
{
    public static void Fill(Span<byte> target, long offset, int seed)
    {
        Span<byte> word = stackalloc byte[8];
        for (var i = 0; i < target.Length; i++)
        {
            var at = offset + i;
            if (i == 0 || (at & 7) == 0)
            {
                var x = (ulong)(at >> 3) + ((ulong)(uint)seed << 40);
                x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
                x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
                BinaryPrimitives.WriteUInt64LittleEndian(word, x ^ (x >> 31));
            }

            target[i] = word[(int)(at & 7)];
        }
    }

    public static async Task SendAsync(ITransportLink link, long total, int seed, int maxBuffer, bool yield = false)
    {
        var random = new Random(seed);
        var buffer = new byte[maxBuffer];
        for (long offset = 0; offset < total;)
        {
            var length = (int)Math.Min(total - offset, random.Next(1, maxBuffer + 1));
            Fill(buffer.AsSpan(0, length), offset, seed);
            for (var sent = 0; sent < length;)
            {
                sent += await link.SendAsync(buffer.AsMemory(sent, length - sent)).ConfigureAwait(false);
                if (yield)
                {
                    await Task.Yield();
                }
            }

            offset += length;
        }
    }

    /// <summary>
    /// Receives and checks; returns the total, or where it ended: the offset of a wrong byte, of the
    /// link's end, or of what came beyond the total.
    /// </summary>
    public static async Task<long> CheckAsync(
        ITransportLink link, long total, int seed, int maxBuffer, bool yield = false)
    {
        var random = new Random(~seed);
        var buffer = new byte[maxBuffer];
        var expected = new byte[maxBuffer];
        for (long offset = 0; offset < total;)
        {
            var room = random.Next(1, maxBuffer + 1);
            var received = await link.ReceiveAsync(buffer.AsMemory(0, room)).ConfigureAwait(false);
            if (yield)
            {
                await Task.Yield();
            }

            if (offset + received > total)
            {
                return offset + received;
            }

            Fill(expected.AsSpan(0, received), offset, seed);
            var same = buffer.AsSpan(0, received).CommonPrefixLength(expected.AsSpan(0, received));
            offset += same;
            if (same < received || received == 0)
            {
                return offset;
            }
        }

        return total;
    }
}
