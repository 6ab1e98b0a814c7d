using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>What a process with a loop in it has come to.</summary>
/// <param name="Target">The target's name.</param>
/// <param name="Line">Its figures, for a person.</param>
/// <param name="Edges">Edges that were taken.</param>
/// <param name="Executions">Inputs that were run.</param>
/// <param name="Finding">What was found and how to see it again; null for nothing.</param>
internal sealed record FuzzOutcome(string Target, string Line, int Edges, long Executions, string? Finding);

/// <summary>Runs a loop in its own process, which may die of what it finds.</summary>
internal static class FuzzProcess
{
    /// <summary>Beyond it the process ends with a finding: no target may hold so much.</summary>
    private const string HeapLimit = "0x20000000";

    /// <summary>Runs a target.</summary>
    /// <param name="program">An instrumented copy.</param>
    /// <param name="target">Its name.</param>
    /// <param name="time">How long.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <param name="corpus">Folder with a folder for each target.</param>
    /// <param name="findings">Folder that findings are put into.</param>
    /// <param name="save">Whether the corpus is replaced by what the loop has come to.</param>
    internal static async Task<FuzzOutcome> RunAsync(string program, string target, TimeSpan time, int seed, string corpus, string findings, bool save = false)
    {
        Directory.CreateDirectory(findings);
        var current = Path.Combine(Path.GetDirectoryName(program)!, $"{target}-{seed}.current");
        var found = Path.Combine(findings, $"{target}-{seed}");
        string[] arguments = ["loop", target, time.TotalSeconds.ToString(CultureInfo.InvariantCulture), seed.ToString(CultureInfo.InvariantCulture), Path.Combine(corpus, target), current, found, save ? "save" : "keep"];
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_GCHeapHardLimit"] = HeapLimit, ["DOTNET_TieredPGO"] = "0" },
        })!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == 0 && said.Split('\n', 4) is [var line, var figures, var text, ..])
        {
            var numbers = figures.Split(' ');
            return new FuzzOutcome(target, line, int.Parse(numbers[0], CultureInfo.InvariantCulture), long.Parse(numbers[1], CultureInfo.InvariantCulture),
                text.Length == 0 ? null : Describe(target, found, Encoding.UTF8.GetString(Convert.FromBase64String(text))));
        }

        var why = process.ExitCode == CurrentInput.HangExitCode ? "an input did not come to its end" : $"the process died with exit code {process.ExitCode}: {await errors}";
        if (File.Exists(current))
        {
            await File.WriteAllBytesAsync(found, CurrentInput.Read(current));
        }

        return new FuzzOutcome(target, $"{target}: ended early", 0, 0, Describe(target, found, why));
    }

    private static string Describe(string target, string found, string text) => $"{text}\nsee it again: ./fuzz {target} --input {found}";
}
