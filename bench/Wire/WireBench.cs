using System.Globalization;

namespace ChannelSdk.Bench.Wire;

/// <summary>All contenders in one run: rounds in turn, so that what disturbs the machine disturbs all of them; medians; ratios.</summary>
internal static class WireBench
{
    private const int Calls = 20_000;
    private const long StreamBytes = 256 << 20;
    private const long SmallStreamBytes = 32 << 20;

    public static async Task<int> RunAsync(int rounds, string[] names)
    {
        // The raw socket is always there: all ratios are to it.
        Contender[] contenders = [.. Contenders.All().Where(c => names.Length == 0 || c is RawSocket or Ours { IsPlain: true } || names.Contains(c.Name))];
        var rows = contenders.ToDictionary(c => c, _ => new Row());
        var ours = contenders.OfType<Ours>().Single(c => c.IsPlain);
        var (idle, loaded) = (new Samples(), new Samples());
        var peers = new List<PeerProcess>();
        try
        {
            foreach (var contender in contenders)
            {
                var peer = await PeerProcess.StartAsync(contender);
                peers.Add(peer);
                await contender.ConnectAsync(peer.Socket);
            }

            // Round 0 is the warm-up: tiered compilation and caches.
            for (var round = 0; round <= rounds; round++)
            {
                Console.Error.WriteLine(round == 0 ? "bench: warm-up" : $"bench: round {round} of {rounds}");
                foreach (var contender in contenders)
                {
                    await MeasureAsync(contender, round == 0 ? new Row() : rows[contender]);
                }

                var quiet = Samples.Percentile(await ours.ControlAsync(Calls / 4), 0.99);
                var busy = Samples.Percentile(await ours.ControlUnderBulkAsync(Calls / 4), 0.99);
                if (round > 0)
                {
                    idle.Add(quiet);
                    loaded.Add(busy);
                }
            }
        }
        finally
        {
            foreach (var contender in contenders)
            {
                await contender.DisposeAsync();
            }

            peers.ForEach(peer => peer.Dispose());
        }

        Print(contenders, rows, rounds);
        Console.WriteLine();
        Console.WriteLine(Line($"control call, p99: {idle.Median:F1} us idle, {loaded.Median:F1} us under a bulk stream that fills the link: {loaded.Median / idle.Median:F1}x"));
        await PrintFloodAsync();
        return 0;
    }

    private static async Task MeasureAsync(Contender contender, Row row)
    {
        if (contender.CallsAsync(Calls) is { } calls)
        {
            var times = await calls;
            row.Median.Add(Samples.Percentile(times, 0.5));
            row.Tail.Add(Samples.Percentile(times, 0.99));
        }

        if (contender.StreamAsync(1024, SmallStreamBytes) is { } small)
        {
            row.Small.Add(await small);
        }

        if (contender.StreamAsync(65536, StreamBytes) is { } large)
        {
            row.Large.Add(await large);
        }
    }

    private static void Print(Contender[] contenders, Dictionary<Contender, Row> rows, int rounds)
    {
        var raw = rows[contenders[0]];
        Console.WriteLine(Line($"medians of {rounds} rounds, {Environment.ProcessorCount} cores; x is the ratio to the raw socket of the same run"));
        Console.WriteLine();
        Console.WriteLine("| Unix socket | 64 B call p50 us | x | p99 us | x | 1 KiB stream MB/s | x | 64 KiB stream MB/s | x |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (var contender in contenders)
        {
            var row = rows[contender];
            Console.WriteLine($"| {contender.Name} | {Cell(row.Median, raw.Median, 1)} | {Cell(row.Tail, raw.Tail, 1)} | {Cell(row.Small, raw.Small, 1e6)} | {Cell(row.Large, raw.Large, 1e6)} |");
        }
    }

    private static async Task PrintFloodAsync()
    {
        var flood = new Flood();
        using var peer = await PeerProcess.StartAsync(flood);
        await flood.ConnectAsync(peer.Socket);
        foreach (var limited in new[] { false, true })
        {
            var (rate, before, after) = await flood.MeasureAsync(limited, 5);
            var what = limited ? Line($"held to {Flood.Allowed / 1e6:F1} MB/s") : "without a limit";
            Console.WriteLine(Line($"flooding guest {what}: {rate / 1e6:F1} MB/s received; host's managed memory {before / 1024} KiB, after 5 s {after / 1024} KiB"));
        }
    }

    private static string Cell(Samples samples, Samples raw, double unit) => samples.IsEmpty
        ? "- | -"
        : Line($"{samples.Median / unit:F1} | {samples.Median / raw.Median:F2}");

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public Samples Median { get; } = new();
        public Samples Tail { get; } = new();
        public Samples Small { get; } = new();
        public Samples Large { get; } = new();
    }
}
