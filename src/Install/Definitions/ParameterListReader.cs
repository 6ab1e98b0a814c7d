using System.Text;
using ChannelSdk.Install.Names;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// parameters.list, a line for each parameter: NAME [public|private|secret] [required|=DEFAULT] DESCRIPTION. A default
/// with spaces in it stands in double quotes, within which \" and \\ are a quote and a backslash. In Ganeti's definitions a
/// line is NAME DESCRIPTION, of a public parameter without a default, whatever the description begins with. '#' begins a
/// comment line.
/// </summary>
internal static class ParameterListReader
{
    private const int MaxBytes = 256 << 10;
    private const int MaxParameters = 256;

    /// <param name="source">The file.</param>
    /// <param name="isGaneti">Whether it is of a definition that was written for Ganeti.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the text says which line, and what is wrong with it.</exception>
    public static IReadOnlyDictionary<string, DefinitionParameter> Read(SourceFile source, bool isGaneti = false)
    {
        var file = source.Path;
        var result = new List<KeyValuePair<string, DefinitionParameter>>();
        var number = 0;
        foreach (var line in Content(source).Split('\n'))
        {
            number++;
            var text = line.Trim();
            if (text.Length == 0 || text[0] == '#')
            {
                continue;
            }

            var parameter = Parse(text, isGaneti, $"{file}, line {number}");
            if (result.Any(p => p.Key == parameter.Name))
            {
                throw Wrong($"{file}, line {number}", $"the parameter {parameter.Name} is there for the second time");
            }

            result.Add(KeyValuePair.Create(parameter.Name, parameter));
            if (result.Count > MaxParameters)
            {
                throw Wrong(file, $"it has more than {MaxParameters} parameters");
            }
        }

        return new ReadOnlyOrderedDictionary<DefinitionParameter>(result);
    }

    private static DefinitionParameter Parse(string text, bool isGaneti, string place)
    {
        var rest = text.AsSpan();
        var name = Token(ref rest).ToString();
        try
        {
            ParameterName.Check(name);
        }
        catch (ChannelException e)
        {
            throw Wrong(place, e.Message);
        }

        if (isGaneti)
        {
            return new DefinitionParameter(name, ParameterClass.Public, null, false, rest.Trim().ToString());
        }

        var parameterClass = ParameterClass.Public;
        if (Peek(rest) is "public" or "private" or "secret")
        {
            parameterClass = Enum.Parse<ParameterClass>(Token(ref rest), ignoreCase: true);
        }

        string? standard = null;
        var isRequired = false;
        if (Peek(rest) is "required")
        {
            Token(ref rest);
            isRequired = true;
        }
        else if (rest.StartsWith("="))
        {
            rest = rest[1..];
            standard = rest.StartsWith("\"") ? Quoted(ref rest, place) : Token(ref rest).ToString();
            if (parameterClass == ParameterClass.Secret)
            {
                throw Wrong(place, $"the parameter {name} is secret and has a default; a secret is never stored, so it can have none");
            }
        }

        return new DefinitionParameter(name, parameterClass, standard, isRequired, rest.Trim().ToString());
    }

    private static ReadOnlySpan<char> Peek(ReadOnlySpan<char> rest) => rest.IndexOfAny(' ', '\t') is >= 0 and var length ? rest[..length] : rest;

    private static ReadOnlySpan<char> Token(ref ReadOnlySpan<char> rest)
    {
        var word = Peek(rest);
        rest = rest[word.Length..].TrimStart();
        return word;
    }

    private static string Quoted(ref ReadOnlySpan<char> rest, string place)
    {
        var result = new StringBuilder();
        for (var i = 1; i < rest.Length; i++)
        {
            switch (rest[i])
            {
                case '"':
                    rest = rest[(i + 1)..].TrimStart();
                    return result.ToString();
                case '\\' when i + 1 < rest.Length && rest[i + 1] is '"' or '\\':
                    result.Append(rest[++i]);
                    break;
                default:
                    result.Append(rest[i]);
                    break;
            }
        }

        throw Wrong(place, "the default begins with a quote and the line ends without another");
    }

    private static string Content(SourceFile source)
    {
        try
        {
            var bytes = source.Read(MaxBytes);
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Wrong(source.Path, "it is not valid UTF-8");
        }
    }

    private static ChannelException Wrong(string place, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{place}: {text}");
}
