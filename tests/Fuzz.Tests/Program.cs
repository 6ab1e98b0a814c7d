using System.Globalization;
using System.Text;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Fuzz.Tests.Targets;

namespace ChannelSdk.Fuzz.Tests;

/// <summary>What <c>./fuzz</c> runs, and the loop's own process.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["loop", var name, var seconds, var seed, var corpus, var current, var finding, var mode])
        {
            return Loop(name, double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(seed, CultureInfo.InvariantCulture), corpus, current, finding, mode == "save");
        }

        FuzzArguments? parsed;
        try
        {
            parsed = FuzzArguments.Parse(arguments);
        }
        catch (FormatException e)
        {
            await Console.Error.WriteLineAsync($"fuzz: {e.Message}");
            return 2;
        }

        if (parsed is null)
        {
            await Console.Out.WriteAsync(FuzzArguments.Help);
            return 0;
        }

        return parsed.Input is { } input ? Again(parsed.Targets[0], input) : await RunAsync(parsed);
    }

    private static async Task<int> RunAsync(FuzzArguments arguments)
    {
        using var copy = new InstrumentedCopy();
        var next = -1;
        var findings = 0;
        await Task.WhenAll(Enumerable.Range(0, arguments.Jobs).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < arguments.Targets.Count;)
            {
                var target = arguments.Targets[i];
                var outcome = await FuzzProcess.RunAsync(copy.Program, target.Name, arguments.Time, arguments.Seed + i, arguments.Corpus, arguments.Findings, arguments.Save);
                await Console.Out.WriteLineAsync(outcome.Line);
                if (outcome.Finding is { } text)
                {
                    Interlocked.Increment(ref findings);
                    await Console.Error.WriteLineAsync($"fuzz: {target.Name}: {text}");
                }
            }
        }));
        return findings == 0 ? 0 : 1;
    }

    private static int Again(IFuzzTarget target, string path)
    {
        var text = FuzzLoop.Judge(target, File.ReadAllBytes(path));
        Console.WriteLine(text ?? $"{target.Name}: nothing is wrong with {path}");
        return text is null ? 0 : 1;
    }

    private static int Loop(string name, double seconds, int seed, string folder, string currentPath, string findingPath, bool save)
    {
        // Before a target is made: its fields may be of instrumented code.
        var map = new CoverageMap();
        var target = AllTargets.Find(name)!;
        using var current = new CurrentInput(currentPath, target.MaxLength);
        string[] files = Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)] : [];
        var inputs = target.Seeds.Concat(files.Select(File.ReadAllBytes)).Where(input => input.Length <= target.MaxLength);
        var loop = new FuzzLoop(target, seed, map, current);
        var result = loop.Run(inputs, TimeSpan.FromSeconds(seconds));
        if (result.Finding is { } finding)
        {
            File.WriteAllBytes(findingPath, finding);
        }
        else if (save)
        {
            Save(folder, loop.Distill());
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name}: {result.Edges} edges, {result.Executions} executions ({result.Executions / result.Seconds:F0}/s), corpus of {result.Corpus}, {result.Seconds:F0} s, seed {seed}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Edges} {result.Executions}"));
        Console.WriteLine(Convert.ToBase64String(Encoding.UTF8.GetBytes(result.Text)));
        return 0;
    }

    private static void Save(string folder, List<byte[]> inputs)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            File.Delete(file);
        }

        foreach (var input in inputs)
        {
            var name = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(input).AsSpan(0, 8));
            File.WriteAllBytes(Path.Combine(folder, name), input);
        }
    }
}
