using System.Runtime.InteropServices;
using SharpFuzz.Common;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>
/// Counts how often each edge between two branches of the instrumented code was taken (M. Zalewski, "Technical whitepaper for
/// afl-fuzz", section 1), and knows which counts no earlier input has reached.
/// </summary>
internal sealed unsafe class CoverageMap
{
    private const int Size = 1 << 16;

    private readonly byte* _counts = (byte*)NativeMemory.AllocZeroed(Size);
    private readonly byte[] _seen = new byte[Size];

    /// <summary>From here on the process runs instrumented code; before, it must not.</summary>
    internal CoverageMap() => Trace.SharedMem = _counts;

    /// <summary>Edges that any input has taken.</summary>
    internal int Edges { get; private set; }

    /// <summary>Begins an input.</summary>
    internal void Begin()
    {
        new Span<byte>(_counts, Size).Clear();
        Trace.PrevLocation = 0;
    }

    /// <summary>Ends an input.</summary>
    /// <returns>Whether it has taken an edge that none before has, or one about twice as often.</returns>
    internal bool End()
    {
        var isNew = false;
        var counts = new ReadOnlySpan<byte>(_counts, Size);
        for (var at = 0; (at = Next(counts, at)) >= 0; at++)
        {
            var bucket = Bucket(counts[at]);
            if ((_seen[at] & bucket) == 0)
            {
                Edges += _seen[at] == 0 ? 1 : 0;
                _seen[at] |= bucket;
                isNew = true;
            }
        }

        return isNew;
    }

    /// <summary>The edges that the last input has taken.</summary>
    internal int[] LastEdges()
    {
        var edges = new List<int>();
        var counts = new ReadOnlySpan<byte>(_counts, Size);
        for (var at = 0; (at = Next(counts, at)) >= 0; at++)
        {
            edges.Add(at);
        }

        return [.. edges];
    }

    private static int Next(ReadOnlySpan<byte> counts, int from) =>
        counts[from..].IndexOfAnyExcept((byte)0) is >= 0 and var at ? from + at : -1;

    private static byte Bucket(byte count) => count switch
    {
        1 => 1,
        2 => 2,
        3 => 4,
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };
}
