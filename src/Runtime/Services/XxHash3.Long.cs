using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChannelSdk.Runtime;

/// <summary>
/// Inputs of more than 240 bytes: eight lanes take in stripes of 64 bytes, and are scrambled after each 16 of them. Vectors of
/// two lanes, because that is what a program that is compiled ahead may use on every processor.
/// </summary>
public static partial class XxHash3
{
    private const int Stripe = 64;
    private const int Pair = 16;
    private const int StripesOfBlock = 16;
    private const int LastStripeKey = SecretSize - Stripe - 7;
    private const int ScrambleKey = SecretSize - Stripe;
    private const int MergeKey = 11;

    private static ulong OfLong(ReadOnlySpan<byte> bytes)
    {
        var lanes = new Lanes(
            Vector128.Create(Prime32C, PrimeA), Vector128.Create(PrimeB, PrimeC), Vector128.Create(PrimeD, Prime32B), Vector128.Create(PrimeE, Prime32A));
        ref byte first = ref MemoryMarshal.GetReference(bytes), secret = ref MemoryMarshal.GetReference(Secret);
        // The last stripe ends with the input, and is always taken in by itself.
        int stripes = (bytes.Length - 1) / Stripe;
        for (var i = 0; i < stripes; i++)
        {
            lanes.Take(ref Unsafe.Add(ref first, i * Stripe), ref Unsafe.Add(ref secret, i % StripesOfBlock * 8));
            if (i % StripesOfBlock == StripesOfBlock - 1)
            {
                lanes.Scramble(ref Unsafe.Add(ref secret, ScrambleKey));
            }
        }

        lanes.Take(ref Unsafe.Add(ref first, bytes.Length - Stripe), ref Unsafe.Add(ref secret, LastStripeKey));
        return Finish((ulong)bytes.Length * PrimeA
            + Merge(lanes.A, MergeKey) + Merge(lanes.B, MergeKey + Pair) + Merge(lanes.C, MergeKey + 2 * Pair) + Merge(lanes.D, MergeKey + 3 * Pair));

        static ulong Merge(Vector128<ulong> pair, int key) => Fold(pair[0] ^ Key(key), pair[1] ^ Key(key + 8));
    }

    private struct Lanes(Vector128<ulong> a, Vector128<ulong> b, Vector128<ulong> c, Vector128<ulong> d)
    {
        public Vector128<ulong> A = a, B = b, C = c, D = d;

        // The compiler ahead would call all of these for each stripe.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Take(ref byte stripe, ref byte key)
        {
            A = Take(A, ref stripe, ref key);
            B = Take(B, ref Unsafe.Add(ref stripe, Pair), ref Unsafe.Add(ref key, Pair));
            C = Take(C, ref Unsafe.Add(ref stripe, 2 * Pair), ref Unsafe.Add(ref key, 2 * Pair));
            D = Take(D, ref Unsafe.Add(ref stripe, 3 * Pair), ref Unsafe.Add(ref key, 3 * Pair));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Scramble(ref byte key)
        {
            A = Scramble(A, ref key);
            B = Scramble(B, ref Unsafe.Add(ref key, Pair));
            C = Scramble(C, ref Unsafe.Add(ref key, 2 * Pair));
            D = Scramble(D, ref Unsafe.Add(ref key, 3 * Pair));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ulong> Take(Vector128<ulong> lanes, ref byte stripe, ref byte key)
        {
            Vector128<ulong> words = Vector128.LoadUnsafe(ref stripe).AsUInt64(), keyed = words ^ Vector128.LoadUnsafe(ref key).AsUInt64();
            return lanes + Vector128.Shuffle(words, Vector128.Create(1UL, 0)) + Multiply(keyed, keyed >>> 32);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ulong> Scramble(Vector128<ulong> lanes, ref byte key)
        {
            Vector128<ulong> mixed = lanes ^ lanes >>> 47 ^ Vector128.LoadUnsafe(ref key).AsUInt64(), prime = Vector128.Create((ulong)Prime32A);
            return Multiply(mixed, prime) + (Multiply(mixed >>> 32, prime) << 32);
        }

        /// <summary>The products of the lanes' low halves.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<ulong> Multiply(Vector128<ulong> a, Vector128<ulong> b) => Sse2.IsSupported
            ? Sse2.Multiply(a.AsUInt32(), b.AsUInt32())
            : (a & Vector128.Create((ulong)uint.MaxValue)) * (b & Vector128.Create((ulong)uint.MaxValue));
    }
}
