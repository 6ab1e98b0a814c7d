using System.Globalization;

namespace ChannelSdk.Soak.Tests;

/// <summary>
/// What each fault costs quiet instances in time: their p99 without it and with it, by turns, medians of the rounds. <c>bench/run faults</c> prints it.
/// </summary>
internal static class FaultMeasure
{
    private const int Quiet = 50;
    private const double MostOfP99 = 1.5;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_each = TimeSpan.FromSeconds(1.5);

    /// <summary>Measures.</summary>
    /// <param name="rounds">How many rounds.</param>
    /// <param name="names">Parts of the names of faults; none: all of them.</param>
    /// <returns>0, or 1 if a fault was not met as it must be.</returns>
    internal static async Task<int> RunAsync(int rounds, string[] names)
    {
        Attack[] attacks = [.. Attack.All.Where(attack => names.Length == 0 || names.Any(name => attack.Name.Contains(name, StringComparison.Ordinal)))];
        var rows = attacks.ToDictionary(static attack => attack, static _ => (Without: new List<double>(), With: new List<double>()));
        using var folder = new TestDirectory();
        await using var scene = await WorkerScene.StartAsync(folder[""], Quiet, s_pause);
        var wrong = 0;
        for (var round = 1; round <= rounds; round++)
        {
            await Console.Error.WriteLineAsync($"bench: round {round} of {rounds}");
            foreach (var attack in attacks)
            {
                scene.Quiet.TakeP99();
                await Task.Delay(s_each);
                rows[attack].Without.Add(scene.Quiet.TakeP99());
                var (what, p99) = await scene.DuringAsync(attack, s_each);
                rows[attack].With.Add(p99);
                await scene.Hostile.RecoverAsync();
                if (what is not null)
                {
                    wrong++;
                    await Console.Error.WriteLineAsync($"bench: {attack.Name}: {what}");
                }
            }
        }

        var idle = Median(rows.Values.SelectMany(static row => row.Without));
        Console.WriteLine(Line($"{Quiet} quiet instances with workers, a ping each {s_pause.TotalMilliseconds} ms, beside one with a fault; medians of {rounds} rounds, {Environment.ProcessorCount} cores"));
        Console.WriteLine(Line($"p99 without a fault: {idle:F2} ms; {scene.Quiet.Disconnected} links lost and calls failed; x is the ratio to the p99 just before, and to that of all"));
        Console.WriteLine();
        Console.WriteLine("| fault | p99 before ms | p99 meanwhile ms | x | x of all | |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (var attack in attacks)
        {
            var (without, with) = (Median(rows[attack].Without), Median(rows[attack].With));
            Console.WriteLine(Line($"| {attack.Name} | {without:F2} | {with:F2} | {with / without:F2} | {with / idle:F2} | {(Math.Min(with / without, with / idle) > MostOfP99 ? "above" : "")} |"));
        }

        return wrong == 0 ? 0 : 1;
    }

    private static double Median(IEnumerable<double> all)
    {
        double[] sorted = [.. all.Order()];
        return sorted[sorted.Length / 2];
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
