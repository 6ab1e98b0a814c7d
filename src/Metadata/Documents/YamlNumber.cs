using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Documents;

/// <summary>Plain words that are numbers in the core schema (YAML 1.2, section 10.3.2). What a document cannot hold is refused, and never read as text.</summary>
internal static partial class YamlNumber
{
    /// <summary>The number, or null if the scalar is no number.</summary>
    public static JsonNode? Read(string plain, long line)
    {
        if (Endless().IsMatch(plain))
        {
            throw DocumentError.At($"line {line}", $"'{plain}' is a number of YAML that a document cannot hold; put it in quotes if it is text");
        }

        if (Based().IsMatch(plain))
        {
            var (digits, radix) = (plain[2..].TrimStart('0'), plain[1] == 'x' ? 16 : 8);
            // 63 bits are 15 digits of four bits, or 21 of three.
            return digits.Length <= (radix == 16 ? 15 : 21) ? JsonValue.Create(digits.Aggregate(0L, (sum, c) => sum * radix + Convert.ToInt32(c.ToString(), 16))) : throw TooLarge();
        }

        if (!Decimal().IsMatch(plain))
        {
            return null;
        }

        if (long.TryParse(plain, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
        {
            return JsonValue.Create(whole);
        }

        var value = double.Parse(plain, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture);
        return double.IsFinite(value) ? JsonValue.Create(value) : throw TooLarge();

        ChannelException TooLarge() => DocumentError.At($"line {line}", "the number is too large; put it in quotes if it is text");
    }

    [GeneratedRegex(@"\A(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\z")]
    private static partial Regex Endless();

    [GeneratedRegex(@"\A(?:0x[0-9a-fA-F]+|0o[0-7]+)\z")]
    private static partial Regex Based();

    [GeneratedRegex(@"\A[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\z")]
    private static partial Regex Decimal();
}
