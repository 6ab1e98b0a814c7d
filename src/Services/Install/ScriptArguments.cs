using System.Globalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>A parsed command line of the scripts' tool. Flags may stand anywhere before a "--".</summary>
internal sealed class ScriptArguments
{
    private static readonly string[] s_levels = ["debug", "info", "warning", "error"];
    private readonly List<string> _operands = [];

    private ScriptArguments(string verb) => Verb = verb;

    public string Verb { get; }

    public IReadOnlyList<string> Operands => _operands;

    /// <summary>0: none.</summary>
    public uint TimeoutMs { get; private set; }

    public InstallLogLevel Level { get; private set; } = InstallLogLevel.Info;

    public bool IsEnd { get; private set; }

    public bool IsStream { get; private set; }

    /// <summary>Parses the verb and its arguments.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>.</exception>
    public static ScriptArguments Parse(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0 || !ScriptTool.IsVerb(arguments[0]))
        {
            throw Wrong($"one of {string.Join(", ", ScriptTool.Verbs)} is expected");
        }

        var result = new ScriptArguments(arguments[0]);
        for (var i = 1; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--":
                    while (++i < arguments.Count)
                    {
                        result._operands.Add(arguments[i]);
                    }

                    return result;
                case "--stream" when result.Verb is "send" or "receive":
                    result.IsStream = true;
                    break;
                case "--timeout" when result.Verb is "receive" or "barrier" || result.IsStream:
                    result.TimeoutMs = Timeout(Value(arguments, ref i));
                    break;
                case "--level" when result.Verb == "log":
                    var level = Array.IndexOf(s_levels, Value(arguments, ref i));
                    result.Level = level >= 0 ? (InstallLogLevel)level : throw Wrong($"--level is one of {string.Join(", ", s_levels)}");
                    break;
                case "--end" when result.Verb == "step":
                    result.IsEnd = true;
                    break;
                case var flag when flag.StartsWith("--", StringComparison.Ordinal):
                    throw Wrong($"'{InstallWire.Cut(flag, 40)}' is no flag of {result.Verb}; a text that begins with -- stands behind a --");
                default:
                    result._operands.Add(arguments[i]);
                    break;
            }
        }

        return result;
    }

    /// <summary>The operands, checked for their number.</summary>
    public string[] RequireOperands(int least, int most) => _operands.Count >= least && _operands.Count <= most
        ? [.. _operands]
        : throw Wrong($"{Verb} takes {(least == most ? least.ToString(CultureInfo.InvariantCulture) : most == int.MaxValue ? $"{least} or more" : $"{least} or {most}")} operands, not {_operands.Count}");

    public static ChannelException Wrong(string what) => new(ChannelError.BadConfiguration, ErrorClass.Refused, what);

    private static string Value(IReadOnlyList<string> arguments, ref int i) =>
        ++i < arguments.Count ? arguments[i] : throw Wrong($"{arguments[i - 1]} needs a value");

    /// <summary>A number with at most six digits before the point and any behind it, of which three count; null if the text is no number.</summary>
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
            : throw Wrong($"'{InstallWire.Cut(text, 40)}' is no timeout; it is 0.001 to 86400 seconds");
}
