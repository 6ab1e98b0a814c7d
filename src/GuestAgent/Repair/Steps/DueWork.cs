using System.Text;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>
/// What a repair has left to do until other programs run again, as a line of text: "start UNIT" or "restart UNIT" for systemd, which
/// knows of it alone then, or "command" and the words of a command in hexadecimal.
/// </summary>
internal static class DueWork
{
    public const string Start = "start";
    public const string Restart = "restart";
    private const string Command = "command";

    /// <summary>A unit to start or restart.</summary>
    public static string Unit(string verb, string unit) => $"{verb} {unit}";

    /// <summary>A command to run.</summary>
    /// <param name="words">The program's name and its arguments, each with a zero behind it.</param>
    public static string Program(ReadOnlySpan<byte> words) => $"{Command} {Convert.ToHexStringLower(words)}";

    /// <summary>Does it.</summary>
    /// <param name="due">The line.</param>
    /// <param name="platform">The guest.</param>
    /// <param name="limit">How long it may take.</param>
    public static StepEnd Do(string due, IRepairPlatform platform, TimeSpan limit)
    {
        if (limit <= TimeSpan.Zero)
        {
            return StepEnd.Failed($"no time is left for it: {due}");
        }

        var space = due.IndexOf(' ', StringComparison.Ordinal);
        var (verb, what) = space < 0 ? (due, "") : (due[..space], due[(space + 1)..]);
        var words = verb == Command ? Encoding.UTF8.GetString(Convert.FromHexString(what)).TrimEnd('\0').Split('\0') : (string[])["systemctl", "--no-block", verb, what];
        // The name alone counts: a process may say what it likes of where its program is.
        if (platform.Find(Path.GetFileName(words[0])) is not { } program)
        {
            return StepEnd.Failed($"there is no {words[0]}");
        }

        var result = platform.Run(program, words[1..], limit, static () => false);
        return result is { TimedOut: false, ExitCode: 0 } ? StepEnd.Done(string.Join(' ', words))
            : StepEnd.Failed($"{string.Join(' ', words)}: {(result.TimedOut ? "it took too long" : $"it ended with {result.ExitCode}: {result.Output.Trim()}")}");
    }
}
