using System.Text.RegularExpressions;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Documents;

/// <summary>What the YAML library cannot read, as an error that says what to do.</summary>
internal static partial class YamlFault
{
    private const string Colon = "a colon within plain text begins a key; put the text in quotes, or use '|' or '>' after its key for text of several lines";
    private const string Begin = "a plain value cannot begin with this character; put it in quotes";
    private const string Misplaced = "it does not fit to what is above it: it is indented deeper or less than what it belongs to, or its key has no colon";

    // Words of the library's messages, which hold nothing of the document.
    private static readonly (string Words, string Text)[] s_texts =
    [
        ("tab", "a tab cannot indent YAML; use spaces"),
        ("escape", "an unknown escape in double quotes; a backslash itself is written '\\\\', or use single quotes"),
        ("unicode", "an unknown escape in double quotes; a backslash itself is written '\\\\', or use single quotes"),
        ("quoted scalar", "the quote is not closed in its line; use '|' for text of several lines"),
        ("literal block scalar", "the lines of a text block begin with as many spaces as its first one"),
        ("block scalar", "after '|' or '>' come only '-' or '+' and an indentation of 1 to 9"),
        ("mapping values", Colon),
        ("invalid mapping", Colon),
        ("simple key", Colon),
        ("multiline", Colon),
        ("mapping keys", "complex keys ('? ') are not supported; write 'key: value'"),
        ("anchor", "anchors and aliases are not supported; write the value again, or put it in quotes if it begins with that sign"),
        ("tag", "tags are not supported; put the value in quotes if it begins with '!'"),
        ("node content", Begin),
        ("cannot start", Begin),
        ("expected key", Misplaced),
        ("document", Misplaced),
        ("block", Misplaced),
    ];

    /// <summary>Refuses what the library would take for something else: directives, and characters that are no line ends in YAML 1.2.</summary>
    public static void ThrowIfUnreadable(string text)
    {
        var at = text.AsSpan().IndexOfAny("\0\u0085\u2028\u2029");
        if (at >= 0)
        {
            throw DocumentError.At(LineOf(text, at), $"the character U+{(int)text[at]:X4} is not allowed as it is; write it as \"\\u{(int)text[at]:X4}\" in double quotes");
        }

        if (Directive().Match(text) is { Success: true } directive)
        {
            throw DocumentError.At(LineOf(text, directive.Length), "directives are not supported; remove the line");
        }
    }

    /// <param name="message">Of the library.</param>
    /// <param name="lines">Where what it was reading begins, and where it stopped.</param>
    /// <param name="open">The innermost bracket that it was within.</param>
    /// <param name="error">Its error.</param>
    public static ChannelException Of(string message, (long First, long Last) lines, (long Line, char Closing)? open, Exception error)
    {
        if (open is { } bracket)
        {
            return DocumentError.At($"line {bracket.Line}",
                $"the bracket that is opened here is not closed with '{bracket.Closing}', or a comma is missing: line {lines.First} does not fit into it", error);
        }

        var (words, text) = Array.Find(s_texts, known => message.Contains(known.Words, StringComparison.OrdinalIgnoreCase));
        return DocumentError.At($"line {(words == "tab" ? lines.Last : lines.First)}", text ?? "this is no valid YAML; put text in quotes, and check brackets and indentation", error);
    }

    private static string LineOf(string text, int at) => $"line {text.AsSpan(0, at).Count('\n') + 1}";

    // In the first line that is neither empty nor a comment.
    [GeneratedRegex(@"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*%", RegexOptions.NonBacktracking)]
    private static partial Regex Directive();
}
