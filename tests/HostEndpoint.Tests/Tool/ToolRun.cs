using System.Text;
using ChannelSdk.Cli;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Install.Limits;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>channelctl in this process: what each run writes is its own, however many there are at a time.</summary>
internal static class ToolRun
{
    private static readonly AsyncLocal<StringBuilder?> s_out = new();
    private static readonly AsyncLocal<StringBuilder?> s_error = new();

    static ToolRun()
    {
        Console.SetOut(new Router(s_out, Console.Out));
        Console.SetError(new Router(s_error, Console.Error));
    }

    /// <summary>Codes that docs/OPERATIONS.md has.</summary>
    public static readonly int[] DocumentedCodes = [0, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 124, 125, 130];

    /// <summary>Of the runtime's sentences, which name neither what was done nor what to do.</summary>
    private static readonly string[] s_words =
        ["Could not find", "Access to the path", "The process cannot access", "being used by another", "(Parameter '", "An error occurred trying", "LineNumber", "BytePosition", "Null character", "The value cannot be", "Value cannot be", "Object reference", "Index was"];

    /// <summary>Runs a command line, stopped after a time as by a signal.</summary>
    public static Task<(int Code, string Out, string Error)> RunAsync(TimeSpan stopAfter, params string[] arguments) => RunLimitedAsync(stopAfter, HostLimits.UsualPath, arguments);

    /// <summary>As the other, on a host with an administrator's file.</summary>
    public static async Task<(int Code, string Out, string Error)> RunLimitedAsync(TimeSpan stopAfter, string limits, params string[] arguments)
    {
        (s_out.Value, s_error.Value) = (new StringBuilder(), new StringBuilder());
        using var signals = new ToolSignals(takesSignals: false);
        await using var stop = new Timer(_ => signals.End(130), null, stopAfter, Timeout.InfiniteTimeSpan);
        var streams = ToolStreams.Of(Stream.Null, Stream.Null, Stream.Null);
        var code = await CommandTree.RunAsync(arguments, streams, signals, limits).WaitAsync(TimeSpan.FromSeconds(60));
        lock (s_out.Value)
        {
            return (code, s_out.Value.ToString(), s_error.Value.ToString());
        }
    }

    /// <summary>What is wrong with the way a command ended; null: nothing.</summary>
    public static string? Complaint((int Code, string Out, string Error) run, string what)
    {
        var why = !DocumentedCodes.Contains(run.Code) ? $"the code {run.Code} is not documented"
            : run.Error.Split('\n').Count(l => l.Length > 0 && !l.Contains("the audit record cannot be written", StringComparison.Ordinal)) > 1 ? "more than one line"
            : run.Error.Contains("   at ", StringComparison.Ordinal) || run.Error.Contains("unexpected ", StringComparison.Ordinal) || run.Error.Contains("System.", StringComparison.Ordinal) ? "an exception shows"
            : s_words.FirstOrDefault(word => run.Error.Contains(word, StringComparison.Ordinal)) is { } word ? $"the runtime's words '{word}'"
            : run.Code is not (0 or 130) && run.Code is < 10 or > 20 && run.Error.Length == 0 ? "nothing says why"
            : (run.Out + run.Error).Any(c => c != '\n' && (char.IsControl(c) || c is '\u202e' or '\u200e')) ? "a terminal would obey it"
            : null;
        return why is null ? null : $"{what}: {why}: {run.Code} {run.Error} {run.Out[..Math.Min(200, run.Out.Length)]}";
    }

    private sealed class Router(AsyncLocal<StringBuilder?> own, TextWriter other) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void Write(string? value)
        {
            if (own.Value is { } text)
            {
                lock (text)
                {
                    text.Append(value);
                }
            }
            else
            {
                other.Write(value);
            }
        }

        public override void WriteLine(string? value) => Write(value + "\n");
    }
}
