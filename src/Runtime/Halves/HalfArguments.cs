using System.Globalization;
using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>A parsed command line of the scripts' tool. Flags may stand anywhere before a "--".</summary>
internal sealed class HalfArguments
{
    private static readonly string[] s_levels = ["debug", "info", "warning", "error"];
    private readonly List<string> _words = [];

    private HalfArguments(string verb) => Verb = verb;

    public string Verb { get; }

    public IReadOnlyList<string> Words => _words;

    /// <summary>0: none.</summary>
    public uint TimeoutMs { get; private set; }

    public uint Level { get; private set; } = 1;

    public bool IsEnd { get; private set; }

    /// <summary>Parses the word and what follows it.</summary>
    /// <exception cref="ChannelException">BadConfiguration.</exception>
    public static HalfArguments Parse(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0 || !HalfCommand.IsVerb(arguments[0]))
        {
            throw Wrong($"one of {string.Join(", ", HalfCommand.Verbs)} is expected");
        }

        var result = new HalfArguments(arguments[0]);
        for (var i = 1; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--":
                    while (++i < arguments.Count)
                    {
                        result._words.Add(arguments[i]);
                    }

                    return result;
                case "--timeout" when result.Verb is "receive" or "barrier":
                    result.TimeoutMs = Timeout(Value(arguments, ref i));
                    break;
                case "--level" when result.Verb == "log":
                    var level = Array.IndexOf(s_levels, Value(arguments, ref i));
                    result.Level = level >= 0 ? (uint)level : throw Wrong($"--level is one of {string.Join(", ", s_levels)}");
                    break;
                case "--end" when result.Verb == "step":
                    result.IsEnd = true;
                    break;
                case var flag when flag.StartsWith("--", StringComparison.Ordinal):
                    throw Wrong($"'{HalfWire.Cut(flag, 40)}' is no flag of {result.Verb}; a text that begins with -- stands behind a --");
                default:
                    result._words.Add(arguments[i]);
                    break;
            }
        }

        return result;
    }

    /// <summary>The words, so many of them.</summary>
    public string[] RequireWords(int least, int most) => _words.Count >= least && _words.Count <= most
        ? [.. _words]
        : throw Wrong($"{Verb} takes {(least == most ? least.ToString(CultureInfo.InvariantCulture) : most == int.MaxValue ? $"{least} or more" : $"{least} or {most}")} words, not {_words.Count}");

    public static ChannelException Wrong(string what) => new(ChannelError.BadConfiguration, ErrorClass.Refused, what);

    private static string Value(IReadOnlyList<string> arguments, ref int i) =>
        ++i < arguments.Count ? arguments[i] : throw Wrong($"{arguments[i - 1]} needs a value");

    /// <summary>A number with at most six digits before the point and any behind it, of which three count; null if it is none.</summary>
    public static uint? Thousandths(string text)
    {
        var point = text.IndexOf('.', StringComparison.Ordinal);
        var whole = point < 0 ? text : text[..point];
        var part = point < 0 ? "" : text[(point + 1)..];
        return whole.Length is > 0 and <= 6 && (point < 0 || part.Length > 0) && !(whole + part).AsSpan().ContainsAnyExceptInRange('0', '9')
            ? uint.Parse(whole + part.PadRight(3, '0')[..3], NumberStyles.None, CultureInfo.InvariantCulture)
            : null;
    }

    private static uint Timeout(string text) => Thousandths(text) is { } milliseconds and > 0 and <= 86_400_000
            ? milliseconds
            : throw Wrong($"'{HalfWire.Cut(text, 40)}' is no timeout; it is 0.001 to 86400 seconds");
}
