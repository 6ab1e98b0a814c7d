using System.Text.RegularExpressions;

namespace ChannelSdk.Architecture.Tests;

/// <summary>Rules of CONTRIBUTING.md for the sources that no analyzer knows.</summary>
public partial class SourceStyleTests
{
    private static readonly string[] s_roots = ["protocol", "src", "bench", "examples", "tests"];

    [Fact]
    public void Deconstruction_has_one_form()
    {
        string[] wrong = [.. Lines(s_roots, "*.cs").Where(static line => EachWithVar().IsMatch(line.Text)).Select(static line => $"{line.Where}: write var (a, b)")];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void A_text_of_an_error_begins_in_lower_case_and_ends_without_a_full_stop()
    {
        var seen = 0;
        List<string> wrong = [];
        foreach (var (where, text) in Files(["protocol", "src"], "*.cs"))
        {
            foreach (Match error in ErrorText().Matches(text))
            {
                seen++;
                var message = error.Groups["text"].Value;
                if (BeginsUpper().IsMatch(message) || message.EndsWith('.') || Sentence().IsMatch(message))
                {
                    wrong.Add($"{where}: {message}");
                }
            }
        }

        Assert.True(seen > 150, $"only {seen} texts were found");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Sources_and_documents_are_without_the_words_that_make_riddles()
    {
        string[] wrong = [.. Lines(s_roots, "*.cs").Concat(Lines([.. s_roots, "docs"], "*.md")).Concat(Lines(["protocol"], "*.proto"))
            .Where(static line => Riddle().IsMatch(line.Text)).Select(static line => $"{line.Where}: {line.Text.Trim()}")];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    private static IEnumerable<(string Where, string Text)> Files(string[] roots, string pattern) => roots
        .Where(static root => Directory.Exists(Path.Combine(Product.Root, root)))
        .SelectMany(root => Directory.EnumerateFiles(Path.Combine(Product.Root, root), pattern, SearchOption.AllDirectories))
        .Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)
            && !file.EndsWith($"/{nameof(SourceStyleTests)}.cs", StringComparison.Ordinal))
        .Select(static file => (Path.GetRelativePath(Product.Root, file), File.ReadAllText(file)));

    private static IEnumerable<(string Where, string Text)> Lines(string[] roots, string pattern) => Files(roots, pattern)
        .SelectMany(static file => file.Text.Split('\n').Select((line, i) => ($"{file.Where}:{i + 1}", line)));

    [GeneratedRegex(@"\((?:var \w+|_)(?:, (?:var \w+|_))*, var \w+(?:, (?:var \w+|_))*\) (?:=|in) |\(var \w+(?:, (?:var \w+|_))+\) (?:=|in) ")]
    private static partial Regex EachWithVar();

    [GeneratedRegex(@"(?<![A-Za-z])(?:whoever|whosoever|anew)(?![A-Za-z])", RegexOptions.IgnoreCase)]
    private static partial Regex Riddle();

    /// <summary>The text of an exception where it is made: the first one behind code and class.</summary>
    [GeneratedRegex("""new ChannelException\([^;"]*?\$?"(?<text>(?:[^"\\]|\\.)*)""")]
    private static partial Regex ErrorText();

    [GeneratedRegex("^[A-Z][a-z]+ ")]
    private static partial Regex BeginsUpper();

    [GeneratedRegex(@"[a-z)}]\. [A-Z{]")]
    private static partial Regex Sentence();
}
