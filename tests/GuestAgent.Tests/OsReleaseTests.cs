using ChannelSdk.GuestAgent.Platform;

namespace ChannelSdk.GuestAgent.Tests;

public class OsReleaseTests
{
    [Fact]
    public void A_usual_file_is_read()
    {
        var os = OsRelease.Parse("""
            PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
            NAME="Debian GNU/Linux"
            VERSION_ID="12"
            VERSION_CODENAME=bookworm
            ID=debian
            """);

        Assert.Equal(new OsRelease("debian", "12", "Debian GNU/Linux 12 (bookworm)"), os);
    }

    [Theory]
    [InlineData("PRETTY_NAME='it is \"fine\"'", "it is \"fine\"")]
    [InlineData("PRETTY_NAME='a\\b'", @"a\b")]
    [InlineData("PRETTY_NAME=\"a \\\"b\\\" \\$c \\`d \\\\e \\f\"", @"a ""b"" $c `d \e \f")]
    [InlineData("PRETTY_NAME=\"it's\"", "it's")]
    [InlineData("PRETTY_NAME=Plain\\ Name", "Plain Name")]
    [InlineData("PRETTY_NAME=one two", "one")]
    [InlineData("PRETTY_NAME=\"un\"'quo'ted", "unquoted")]
    [InlineData("PRETTY_NAME=\"no end", "no end")]
    [InlineData("PRETTY_NAME=\"ends in \\", "ends in \\")]
    [InlineData("PRETTY_NAME=", "")]
    [InlineData("PRETTY_NAME=\"\"", "")]
    [InlineData("PRETTY_NAME=first\nPRETTY_NAME=last", "last")]
    [InlineData("  PRETTY_NAME=indented  ", "indented")]
    [InlineData("#PRETTY_NAME=comment", "")]
    [InlineData("XPRETTY_NAME=other", "")]
    [InlineData("PRETTY_NAME =spaced", "")]
    [InlineData("=\n==\nnonsense\n\0\0\nPRETTY_NAME=after", "after")]
    public void Values_are_quoted_as_in_a_shell_and_garbage_is_skipped(string text, string expected)
    {
        Assert.Equal(expected, OsRelease.Parse(text).PrettyName);
    }

    [Fact]
    public void A_value_is_bounded()
    {
        Assert.Equal(256, OsRelease.Parse("ID=" + new string('x', 10_000)).Id.Length);
    }

    [Fact]
    public void An_empty_file_gives_empty_fields()
    {
        Assert.Equal(new OsRelease("", "", ""), OsRelease.Parse(""));
    }
}
