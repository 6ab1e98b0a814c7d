using System.Globalization;
using System.Text;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Tests;

public class SafeTextTests
{
    [Theory]
    [InlineData("plain text, 100 %", "plain text, 100 %")]
    [InlineData("Grüße 日本 👍 e\u0301", "Grüße 日本 👍 e\u0301")]
    [InlineData("a\u001b[31m\r\n\0\u007f\u009b", @"a\u001b[31m\u000d\u000a\u0000\u007f\u009b")]
    [InlineData("a\u200eb\u200fc\u061cd", @"a\u200eb\u200fc\u061cd")]
    [InlineData("\u202egnp.exe\u2066\u2069", @"\u202egnp.exe\u2066\u2069")]
    [InlineData("ro\u200bot pass\u00adword", @"ro\u200bot pass\u00adword")]
    [InlineData("\ufeff\u2028\u2029", @"\ufeff\u2028\u2029")]
    [InlineData("\udb40\udc41\ue000\u0378", @"\udb40\udc41\ue000\u0378")]
    [InlineData("\u3164\u115f\ufe0f\u034f", @"\u3164\u115f\ufe0f\u034f")]
    [InlineData(@"back\slash \u001b", @"back\slash \u001b")]
    public void What_could_change_how_a_line_reads_is_made_visible(string text, string shown)
    {
        Assert.Equal(shown, SafeText.Escape(text));
        Assert.Equal(shown, SafeText.Escape(SafeText.Escape(text)));
    }

    // No data of a theory: a runner that writes them as UTF-8 would change them.
    [Fact]
    public void Half_a_surrogate_pair_is_made_visible()
    {
        Assert.Equal(@"x\ud83dy\udc4d", SafeText.Escape("x\ud83dy\udc4d"));
        Assert.Equal(@"\udc4d\ud83d", SafeText.Escape("\udc4d\ud83d"));
    }

    [Fact]
    public void No_code_point_of_a_refused_category_is_shown()
    {
        UnicodeCategory[] refused =
        [
            UnicodeCategory.Control, UnicodeCategory.Format, UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator,
            UnicodeCategory.PrivateUse, UnicodeCategory.OtherNotAssigned,
        ];
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (Rune.IsValid(value) && refused.Contains(Rune.GetUnicodeCategory(new Rune(value))))
            {
                var rune = new Rune(value);
                Assert.False(SafeText.IsShown(rune), $"U+{value:X4}");
            }
        }
    }

    [Fact]
    public void The_result_is_bounded_for_any_input()
    {
        Assert.Equal("aaaa...", SafeText.Escape(new string('a', 5), 4));
        Assert.Equal("aaaa", SafeText.Escape("aaaa", 4));
        Assert.InRange(SafeText.Escape(new string('\u200e', 1_000_000), 100).Length, 100, 115);
    }

    [Fact]
    public void What_a_peer_says_comes_in_without_characters_that_are_not_shown()
    {
        var bytes = Encoding.UTF8.GetBytes("a\u200eb\ufeffc\u061cd👍\U000E0041\u001b");
        Assert.Equal("a\ufffdb\ufffdc\ufffdd👍\ufffd\ufffd", PeerText.Decode(bytes));
        Assert.Equal("\ufffd", PeerText.Decode([0xff]));
    }
}
