using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>What a plain word means in the core schema (YAML 1.2, section 10.3.2).</summary>
internal static class YamlScalar
{
    public static JsonNode? Resolve(string plain, long line)
    {
        ThrowIfReserved(plain, line);
        return plain switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            _ => YamlNumber.Read(plain, line) ?? JsonValue.Create(plain),
        };
    }

    /// <summary>Refuses what YAML keeps for later, and what the library takes for text although it is a key.</summary>
    public static void ThrowIfReserved(string plain, long line)
    {
        if (plain.Length > 0 && plain[0] is '%' or '@' or '`')
        {
            throw DocumentError.At($"line {line}", $"a plain value cannot begin with '{plain[0]}'; put it in quotes");
        }

        if (plain.Contains(": ", StringComparison.Ordinal) || plain.EndsWith(':'))
        {
            throw DocumentError.At($"line {line}", "a colon within plain text begins a key; put the text in quotes");
        }
    }
}
