using System.Text;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The language of settings and policies.</summary>
public class TomlReaderTests
{
    [Theory]
    [InlineData("read = [\"/a\"", 1, "a list has no end")]
    [InlineData("read = [\"/a\" \"/b\"]", 1, "between two items")]
    [InlineData("\nread = [\"/a]\n", 2, "a text in quotes has no end")]
    [InlineData("read = [\"\\q\"]", 1, "\\q is no escape")]
    [InlineData("read = [\"\\ud800\"]", 1, "\\u is no escape")]
    [InlineData("read = [7]", 1, "an item of a list is a text in quotes")]
    [InlineData("read = [[]]", 1, "an item of a list is a text in quotes")]
    [InlineData("read = [true]", 1, "an item of a list is a text in quotes")]
    [InlineData("[files] read = []", 1, "'r' behind the end")]
    [InlineData("[files\n", 1, "the head of table 'files' does not end with ]")]
    [InlineData("[[files]\n", 1, "the head of table 'files' does not end with ]]")]
    [InlineData("[]", 1, "a table is named [name]")]
    [InlineData("[files]\nread []", 2, "there is no = behind 'read'")]
    [InlineData("read =", 1, "there is no value behind =")]
    [InlineData("read = # nothing", 1, "there is no value behind =")]
    [InlineData("endpoint = virtio-port://x", 1, "virtio-port://x is no value: a text stands in quotes")]
    [InlineData("rate = 07", 1, "07 is no value")]
    [InlineData("rate = 1.5", 1, "1.5 is no value")]
    [InlineData("rate = -1", 1, "-1 is no value")]
    [InlineData("rate = 1_000", 1, "1_000 is no value")]
    [InlineData("rate = 1234567890123456", 1, "1234567890123456 is no value")]
    [InlineData("rate = 1 2", 1, "'2' behind the end")]
    [InlineData("power = True", 1, "True is no value")]
    [InlineData("power = \u001b[2J", 1, "\\u001b[2J is no value")]
    [InlineData("t = \"\"\"x\"\"\"", 1, "'\"' behind the end")]
    [InlineData("\u001b[2J", 1, "a setting is written key = value")]
    [InlineData("{\"services\": []}", 1, "a setting is written key = value")]
    [InlineData("\"key\" = 1", 1, "a setting is written key = value")]
    public void What_is_not_of_the_language_is_told_with_its_line(string text, int line, string message)
    {
        var e = Assert.Throws<TomlException>(() => Read(text));

        Assert.Equal(line, e.Line);
        Assert.StartsWith(message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(e.Message, char.IsControl);
    }

    [Fact]
    public void Values_in_all_forms_are_read()
    {
        var entries = Read("""
            on = true # a comment
            off=false
            none = 0
            many = 123456789012345
            [files] # a comment
              read = [ "/a", # another
                '/b\n',
                "/c\u0041\"",
              ]
            [[exec]]
            text = 'x # y'
            """);

        Assert.Equal(
            [("", "on", true), ("", "off", false), ("", "none", 0L), ("", "many", 123456789012345L), ("files", "", null)],
            entries.Take(5).Select(static e => (e.Table, e.Key, e.Value)));
        Assert.Equal(["/a", @"/b\n", "/cA\""], Assert.IsType<string[]>(entries[5].Value));
        Assert.Equal((6, true, 10, "x # y"), (entries[5].Line, entries[6].IsArrayTable, entries[6].Line, entries[7].Value));
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_are_refused_with_their_line()
    {
        var e = Assert.Throws<TomlException>(() => TomlReader.Read([.. "a = 'x'\n# "u8, 0xff, (byte)'\n']));

        Assert.Equal(2, e.Line);
        Assert.Contains("UTF-8", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_entries_lists_and_texts_have_bounds()
    {
        Read(Lines(TomlReader.MaxEntries));
        Assert.Contains($"more than {TomlReader.MaxEntries} settings", Refusal(Lines(TomlReader.MaxEntries + 1)), StringComparison.Ordinal);
        Read(List(TomlReader.MaxItems));
        Assert.Contains($"more than {TomlReader.MaxItems} items", Refusal(List(TomlReader.MaxItems + 1)), StringComparison.Ordinal);
        Read($"a = '{new string('x', TomlReader.MaxString)}'");
        Assert.Contains($"more than {TomlReader.MaxString} characters", Refusal($"a = '{new string('x', TomlReader.MaxString + 1)}'"), StringComparison.Ordinal);
        Read($"{new string('x', 80)} = 1");
        Assert.Contains("1 to 80 letters", Refusal($"{new string('x', 81)} = 1"), StringComparison.Ordinal);
        Read(new string('#', TomlReader.MaxBytes));
        Assert.Contains($"longer than {TomlReader.MaxBytes} bytes", Refusal(new string('#', TomlReader.MaxBytes + 1)), StringComparison.Ordinal);

        static string Lines(int count) => string.Concat(Enumerable.Range(0, count).Select(static i => $"k{i} = 1\n"));
        static string List(int count) => $"a = [{string.Concat(Enumerable.Repeat("'x',", count))}]";
        static string Refusal(string text) => Assert.Throws<TomlException>(() => Read(text)).Message;
    }

    private static IReadOnlyList<TomlEntry> Read(string text) => TomlReader.Read(Encoding.UTF8.GetBytes(text));
}
