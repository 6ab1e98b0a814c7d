using System.Globalization;
using ChannelSdk.Fuzz.Tests.Engine;
using ChannelSdk.Fuzz.Tests.Targets;

namespace ChannelSdk.Fuzz.Tests;

/// <summary>The command line of <c>./fuzz</c>.</summary>
internal sealed record FuzzArguments
{
    internal static string Help =>
        $"""
        ./fuzz [TARGET ...] [--seconds N | --hours N] [--seed N] [--save] [--jobs N]
        ./fuzz TARGET --input FILE

        Attacks the code that reads what a hostile party sends: changes inputs, and keeps those that reach code which none
        before has reached. Each target runs for --seconds (60 by default) or --hours on one processor; --jobs run at the same
        time (one for each processor by default). --save replaces the target's corpus in tests/Fuzz.Tests/corpus by what was
        reached. A finding is put into .cache/fuzz/findings, and --input runs it again.

        Targets: {string.Join(", ", AllTargets.All.Select(static target => target.Name))}. Without one, all of them.

        Exit code: 0 nothing was found, 1 something was, 2 wrong arguments.

        """;

    internal IReadOnlyList<IFuzzTarget> Targets { get; private init; } = AllTargets.All;

    /// <summary>How long each target runs in one round.</summary>
    internal TimeSpan Time { get; private init; } = TimeSpan.FromSeconds(60);

    internal int Seed { get; private init; } = Environment.TickCount & int.MaxValue;

    internal int Jobs { get; private init; } = Environment.ProcessorCount;

    internal bool Save { get; private init; }

    internal string? Input { get; private init; }

    internal string Corpus { get; } = Path.Combine(Root(), "tests/Fuzz.Tests/corpus");

    internal string Findings { get; } = Path.Combine(Root(), ".cache/fuzz/findings");

    /// <summary>Reads them; null asks for help.</summary>
    /// <exception cref="FormatException">What is wrong.</exception>
    internal static FuzzArguments? Parse(string[] arguments)
    {
        var result = new FuzzArguments();
        var targets = new List<IFuzzTarget>();
        for (var i = 0; i < arguments.Length; i++)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            switch (arguments[i])
            {
                case "-h" or "--help":
                    return null;
                case "--save":
                    result = result with { Save = true };
                    continue;
                case "--seconds":
                    result = result with { Time = TimeSpan.FromSeconds(Number("--seconds", value, 1_000_000)) };
                    break;
                case "--hours":
                    result = result with { Time = TimeSpan.FromHours(Number("--hours", value, 10_000)) };
                    break;
                case "--seed":
                    result = result with { Seed = Number("--seed", value, int.MaxValue / 2) };
                    break;
                case "--jobs":
                    result = result with { Jobs = Number("--jobs", value, 1024) };
                    break;
                case "--input":
                    result = result with { Input = File.Exists(value) ? value : throw new FormatException($"--input needs a file; '{value}' is none") };
                    break;
                case var name when AllTargets.Find(name) is { } target:
                    targets.Add(target);
                    continue;
                case var other:
                    throw new FormatException($"'{other}' is no option and no target; targets are {string.Join(", ", AllTargets.All.Select(static target => target.Name))}");
            }

            i++;
        }

        if (result.Input is not null && targets.Count != 1)
        {
            throw new FormatException("--input needs one target before it, for instance ./fuzz session --input FILE");
        }

        return targets.Count == 0 ? result : result with { Targets = targets };
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ChannelSdk.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the program is not in the source tree");
        }

        return folder;
    }

    private static int Number(string option, string value, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number : throw new FormatException($"{option} needs a number from 1 to {most}, and not '{value}'");
}
