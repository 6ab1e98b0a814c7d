using System.Diagnostics;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>What a loop has come to.</summary>
/// <param name="Edges">Edges between branches that were taken.</param>
/// <param name="Executions">Inputs that were run.</param>
/// <param name="Corpus">Inputs that were kept.</param>
/// <param name="Seconds">How long it ran.</param>
/// <param name="Finding">The input that was a finding, or null.</param>
/// <param name="Text">What was found.</param>
internal sealed record FuzzResult(int Edges, long Executions, int Corpus, double Seconds, byte[]? Finding, string Text);

/// <summary>Changes inputs, runs them, and keeps those that reach what none before has reached, until the time is over or one is a finding.</summary>
/// <param name="target">What is attacked.</param>
/// <param name="seed">Of the random numbers.</param>
/// <param name="map">Where the instrumented code counts.</param>
/// <param name="current">Told of each input.</param>
internal sealed class FuzzLoop(IFuzzTarget target, int seed, CoverageMap map, CurrentInput current)
{
    /// <summary>The newest inputs are tried as often as all others together.</summary>
    private const int Newest = 16;

    private readonly Random _random = new(seed);
    private readonly List<byte[]> _kept = [];
    private long _executions;
    private string? _finding;

    /// <summary>Runs.</summary>
    /// <param name="corpus">Inputs to begin with.</param>
    /// <param name="time">How long.</param>
    internal FuzzResult Run(IEnumerable<byte[]> corpus, TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        foreach (var input in corpus)
        {
            if (!Try(input))
            {
                return Result(clock, input);
            }
        }

        var mutator = new Mutator(_random, target.MaxLength, target.Tokens);
        while (clock.Elapsed < time)
        {
            // The clock is not asked for each.
            for (var i = 0; i < 64; i++)
            {
                var input = mutator.Mutate(Pick(), _kept[_random.Next(_kept.Count)]);
                if (!Try(input))
                {
                    return Result(clock, Shrink(input.ToArray()));
                }
            }
        }

        return Result(clock, null);
    }

    /// <summary>The fewest small inputs that take all edges which the kept ones take.</summary>
    internal List<byte[]> Distill()
    {
        var left = new HashSet<int>();
        var all = new List<(byte[] Input, int[] Edges)>();
        foreach (var input in _kept.OrderBy(static input => input.Length))
        {
            Execute(input);
            all.Add((input, map.LastEdges()));
            left.UnionWith(all[^1].Edges);
        }

        var chosen = new List<byte[]>();
        while (left.Count > 0)
        {
            var best = all.MaxBy(one => one.Edges.Count(left.Contains) / (1.0 + one.Input.Length / 64.0));
            if (!best.Edges.Any(left.Contains))
            {
                // What an input takes may depend on those before it.
                break;
            }

            chosen.Add(best.Input);
            left.ExceptWith(best.Edges);
        }

        return chosen;
    }

    private FuzzResult Result(Stopwatch clock, byte[]? finding) =>
        new(map.Edges, _executions, _kept.Count, clock.Elapsed.TotalSeconds, finding, _finding ?? "");

    private byte[] Pick() => _random.Next(2) == 0
        ? _kept[_random.Next(_kept.Count)]
        : _kept[_random.Next(Math.Max(0, _kept.Count - Newest), _kept.Count)];

    /// <summary>Runs an input; false if it is a finding.</summary>
    private bool Try(ReadOnlySpan<byte> input)
    {
        _finding = Execute(input);
        if (map.End() || _kept.Count == 0)
        {
            _kept.Add(input.ToArray());
        }

        return _finding is null;
    }

    private string? Execute(ReadOnlySpan<byte> input)
    {
        _executions++;
        current.Begin(input);
        map.Begin();
        var text = Judge(target, input);
        current.End();
        return text;
    }

    /// <summary>Runs an input once; what is wrong with its run, or null.</summary>
    internal static string? Judge(IFuzzTarget target, ReadOnlySpan<byte> input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            target.Run(input);
        }
        catch (Exception e)
        {
            return e.ToString();
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > target.MaxAllocated ? $"it allocated {allocated} bytes; {target.MaxAllocated} are allowed" : null;
    }

    /// <summary>Leaves parts out as long as the rest is a finding of the same kind.</summary>
    private byte[] Shrink(byte[] input)
    {
        var (text, kind) = (_finding!, FirstLine(_finding!));
        for (var size = input.Length / 2; size > 0; size /= 2)
        {
            for (var at = 0; at + size <= input.Length;)
            {
                byte[] shorter = [.. input[..at], .. input[(at + size)..]];
                if (Execute(shorter) is { } found && FirstLine(found) == kind)
                {
                    (input, text) = (shorter, found);
                }
                else
                {
                    at += size;
                }
            }
        }

        _finding = text;
        return input;
    }

    private static string FirstLine(string text) => new([.. text.Split('\n')[0].Where(static c => !char.IsAsciiDigit(c))]);
}
