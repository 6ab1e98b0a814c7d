using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>
/// Options by what their values are. Each takes exactly what its error text and its help say, so no command sees a value that is
/// out of range, not a number or empty.
/// </summary>
internal static class ToolOptions
{
    private const int MaxPath = 4095;

    /// <summary>A time in seconds, with a default.</summary>
    public static Option<double> Seconds(string name, string description, double usual, double min, double max) =>
        new(name) { Description = description, HelpName = "SECONDS", DefaultValueFactory = _ => usual, CustomParser = result => ParseSeconds(result, name, min, max) };

    /// <summary>A time in seconds that may be left out.</summary>
    public static Option<double?> Seconds(string name, string description, double min, double max) =>
        new(name) { Description = description, HelpName = "SECONDS", CustomParser = result => ParseSeconds(result, name, min, max) };

    /// <summary>A whole number, with a default.</summary>
    public static Option<long> Number(string name, string description, long usual, long min, long max) =>
        new(name) { Description = description, HelpName = "NUMBER", DefaultValueFactory = _ => usual, CustomParser = result => ParseNumber(result, name, min, max) };

    /// <summary>A whole number that may be left out.</summary>
    public static Option<long?> Number(string name, string description, long min, long max) =>
        new(name) { Description = description, HelpName = "NUMBER", CustomParser = result => ParseNumber(result, name, min, max) };

    /// <summary>A switch.</summary>
    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, Arity = ArgumentArity.Zero };

    /// <summary>An option with named values.</summary>
    public static Option<T> Choice<T>(string name, string description, params (string Word, T Value)[] choices)
    {
        var words = string.Join('|', choices.Select(c => c.Word));
        return new(name)
        {
            Description = description,
            HelpName = words,
            // Else text that is no value of the type would be left to the next argument.
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result =>
            {
                foreach (var (word, value) in choices)
                {
                    if (word == result.Tokens[0].Value)
                    {
                        return value;
                    }
                }

                result.AddError($"{name} takes {words}, not '{Shown(result)}'");
                return default;
            },
        };
    }

    /// <summary>A file, folder or socket of this host.</summary>
    public static Option<string> Path(string name, string description, string helpName = "PATH")
    {
        var option = new Option<string>(name) { Description = description, HelpName = helpName };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && WhyNoPath(result.Tokens[0].Value) is { } why)
            {
                result.AddError($"{name} takes a path, which {why}");
            }
        });
        return option;
    }

    /// <summary>Why a text can be no path; null if it can.</summary>
    public static string? WhyNoPath(string text) =>
        text.Length == 0 ? "is not empty" : text.Length > MaxPath ? $"has at most {MaxPath} characters" : text.Contains('\0', StringComparison.Ordinal) ? "has no zero in it" : null;

    private static double ParseSeconds(ArgumentResult result, string name, double min, double max)
    {
        if (double.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            && value >= min && value <= max)
        {
            return value;
        }

        result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} takes {min} to {max} seconds, not '{Shown(result)}'"));
        return min;
    }

    private static long ParseNumber(ArgumentResult result, string name, long min, long max)
    {
        if (long.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }

        result.AddError($"{name} takes {min} to {max}, not '{Shown(result)}'");
        return min;
    }

    private static string Shown(ArgumentResult result) => SafeText.Escape(result.Tokens[0].Value, 40);
}
