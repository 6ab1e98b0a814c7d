using System.Text;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Tests;

public class DocumentTests
{
    private static string Json(string text) => JsonText.WriteText(DocumentText.Parse(Encoding.UTF8.GetBytes(text)), indented: false);

    [Theory]
    [InlineData("a: 1\nb: text\nc: 'it''s'\nd: \"x\\ty\\u00e9\"\n", """{"a":1,"b":"text","c":"it's","d":"x\tyé"}""")]
    [InlineData("a:\n  b:\n    c: x\nd: y\n", """{"a":{"b":{"c":"x"}},"d":"y"}""")]
    [InlineData("l:\n- a\n- b: 1\n  c: 2\n-\n  d: 3\n- - x\n  - y\n", """{"l":["a",{"b":1,"c":2},{"d":3},["x","y"]]}""")]
    [InlineData("l:\n  - a # comment\n  # whole line\n  - b#c\n", """{"l":["a","b#c"]}""")]
    [InlineData("t: |\n  one\n    two\n\n  three\nn: 1\n", """{"t":"one\n  two\n\nthree\n","n":1}""")]
    [InlineData("t: |-\n  one\n\nn: >\n  a\n  b\n\n  c\n", """{"t":"one","n":"a b\nc\n"}""")]
    [InlineData("t: |+\n  one\n\nn: |2\n    x\n", """{"t":"one\n\n","n":"  x\n"}""")]
    [InlineData("f: {a: [1, 2, {b: c}], 'd': \"e, f\"}\n", """{"f":{"a":[1,2,{"b":"c"}],"d":"e, f"}}""")]
    [InlineData("f: [a,\n    b, # why\n  c]\ng: 1\n", """{"f":["a","b","c"],"g":1}""")]
    [InlineData("a: ~\nb: null\nc:\nd: true\ne: False\nf: 1.5\ng: -3\nh: 0755\nk: 0x1F\nl: 0o17\nm: .5\nn: 5.\no: -0xF\np: 1e3\nq: 'it'\ni: 52:54:00:12:34:56\nj: yes\n", """{"a":null,"b":null,"c":null,"d":true,"e":false,"f":1.5,"g":-3,"h":755,"k":31,"l":15,"m":0.5,"n":5,"o":"-0xF","p":1000,"q":"it","i":"52:54:00:12:34:56","j":"yes"}""")]
    [InlineData("---\na: http://x/y#z\n...\nignored", """{"a":"http://x/y#z"}""")]
    [InlineData("a: 1\r\nb:\r\n  - x\r\n", """{"a":1,"b":["x"]}""")]
    [InlineData("\uFEFF{\"a\": [1, \"x\", null, true]}", """{"a":[1,"x",null,true]}""")]
    public void A_document_is_read_as_YAML_and_JSON_define_it(string text, string expected) => Assert.Equal(expected, Json(text));

    [Theory]
    [InlineData("a: 1\na: 2\n", "a", "twice", "line 2")]
    [InlineData("x:\n  b: 1\n  b: 2\n", "x.b", "twice", "line 3")]
    [InlineData("x: {b: 1, b: 2}", "x.b", "twice", "line 1")]
    [InlineData("{\"x\": [{\"b\": 1,\n \"b\": 2}]}", "x[0].b", "twice", "line 2")]
    [InlineData("a: &x 1\n", "line 1", "anchors", "quotes")]
    [InlineData("a: *x\n", "line 1", "aliases", "quotes")]
    [InlineData("a: !!str 1\n", "line 1", "tags", "quotes")]
    [InlineData("a: .inf\n", "line 1", "cannot hold", "quotes")]
    [InlineData("a: [-.Inf, .NaN]\n", "line 1", "cannot hold", "quotes")]
    [InlineData("a: 1e999\n", "line 1", "too large", "quotes")]
    [InlineData("a: 0xFFFFFFFFFFFFFFFF\n", "line 1", "too large", "quotes")]
    [InlineData("a: 1\n---\nb: 2\n", "line 2", "one document", "remove")]
    [InlineData("a: 1\n\tb: 2\n", "line 2", "tab", "spaces")]
    [InlineData("a: 1\n  b: 2\n", "line 2", "|", ">")]
    [InlineData("a:\n    b: 1\n  c: 2\n", "line 3", "indented", "belongs")]
    [InlineData("? a\n: b\n", "line 1", "complex", "key: value")]
    [InlineData("a: \"open\n", "line 1", "closed", "|")]
    [InlineData("a: [1, 2\nb: 3\n", "line 1", "']'", "")]
    [InlineData("a: b: c\n", "line 1", "colon", "quotes")]
    [InlineData("a:\n- 1\n-\n  b: \"x\n    y\"\n", "line 4", "closed", "|")]
    [InlineData("a: [b: c]\n", "line 1", "comma", "{a: b}")]
    [InlineData("a: {b}\n", "metadata: a:", "colon", "value")]
    [InlineData("a: {b: 1, {c: 2}: 3}\n", "line 1", "complex", "key: value")]
    [InlineData("a:\n  ? b\n  : c\n", "line 2", "complex", "key: value")]
    [InlineData("%YAML 1.2\n---\na: 1\n", "line 1", "directives", "remove")]
    [InlineData("a: 1\nb: @c\n", "line 2", "begin with", "quotes")]
    [InlineData("a: 1\nb: x\u2028y\n", "line 2", "U+2028", "\\u2028")]
    [InlineData("a: 1\nb: x\0y\n", "line 2", "U+0000", "\\u0000")]
    [InlineData("a: \"\\q\"\n", "line 1", "escape", "\\\\")]
    [InlineData("{\"a\": 1,}", "line 1", "JSON", "")]
    [InlineData("{\"a\": 1} {}", "line 1", "", "")]
    [InlineData("- a\n", "document", "mapping", "instance_id")]
    [InlineData("just text", "document", "mapping", "")]
    [InlineData("", "document", "mapping", "")]
    public void A_mistake_is_told_with_its_place_and_what_is_allowed(string text, string place, string what, string advice)
    {
        var error = Assert.Throws<ChannelException>(() => Json(text));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains($"{place}", error.Message);
        Assert.Contains(what, error.Message);
        Assert.Contains(advice, error.Message);
    }

    [Fact]
    public void Depth_size_and_encoding_are_bounded()
    {
        Assert.Contains("levels", Assert.Throws<ChannelException>(() => Json(new string('[', 5000).Insert(0, "a: "))).Message);
        Assert.Contains("levels", Assert.Throws<ChannelException>(() => Json($"{{\"a\":{new string('[', 5000)}")).Message);
        Assert.Contains("levels", Assert.Throws<ChannelException>(() => Json(string.Concat(Enumerable.Range(0, 200).Select(i => new string(' ', i) + "a:\n")))).Message);
        Assert.Contains("allowed", Assert.Throws<ChannelException>(() => Json("a: " + new string('x', DocumentText.MaxBytes))).Message);
        Assert.Contains("UTF-8", Assert.Throws<ChannelException>(() => DocumentText.Parse([(byte)'a', (byte)':', (byte)' ', 0xff])).Message);
        Assert.Throws<ChannelException>(() => DocumentText.Parse([.. "{\"a\":\""u8, 0xff, .. "\"}"u8]));
        Assert.Throws<ChannelException>(() => Json("""{"a":"\ud800"}"""));
    }

    [Fact]
    public void Any_cut_of_a_document_is_read_or_refused_and_never_anything_else()
    {
        foreach (var length in Enumerable.Range(0, Samples.Full.Length))
        {
            var broken = Samples.Full.Remove(length, Math.Min(3, Samples.Full.Length - length));
            try
            {
                Samples.Parse(broken);
            }
            catch (ChannelException e)
            {
                Assert.Equal(ChannelError.BadConfiguration, e.Code);
                Assert.DoesNotContain("hunter2-secret", e.Message);
                Assert.DoesNotContain("L-PRIVATE-1", e.Message);
            }
        }
    }

    // RFC 7386, appendix A, but for the cases whose target or patch is no object.
    [Theory]
    [InlineData("""{"a":"b"}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"b":"c"}""", """{"a":"b","b":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"a":null}""", "{}")]
    [InlineData("""{"a":"b","b":"c"}""", """{"a":null}""", """{"b":"c"}""")]
    [InlineData("""{"a":["b"]}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"c"}""", """{"a":["b"]}""", """{"a":["b"]}""")]
    [InlineData("""{"a":{"b":"c"}}""", """{"a":{"b":"d","c":null}}""", """{"a":{"b":"d"}}""")]
    [InlineData("""{"a":[{"b":"c"}]}""", """{"a":[1]}""", """{"a":[1]}""")]
    [InlineData("""{"e":null}""", """{"a":1}""", """{"e":null,"a":1}""")]
    [InlineData("{}", """{"a":{"bb":{"ccc":null}}}""", """{"a":{"bb":{}}}""")]
    public void A_merge_patch_does_what_its_RFC_shows(string target, string patch, string expected) =>
        Assert.Equal(expected, JsonText.WriteText(MergePatch.Apply(JsonText.Parse(Encoding.UTF8.GetBytes(target)), JsonText.Parse(Encoding.UTF8.GetBytes(patch)))!, indented: false));
}
