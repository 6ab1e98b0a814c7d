using System.IO.Compression;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What a package cannot do to an installed system.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class HostileOverlayTests : IDisposable
{
    private readonly OverlayRig _rig = new();

    public void Dispose() => _rig.Dispose();

    public static TheoryData<string, string> Hostile => new()
    {
        { "../x", "a part that is '..'" },
        { "a/../../x", "a part that is '..'" },
        { "/etc/x", "its name is absolute" },
        { "link-through", "leads through 'l', which is a symbolic link of the same archive" },
        { "link-as-folder", "it is a folder in one place" },
        { "link-out", "it is a link that leads out of the system: '../../x'" },
        { "link-absolute-out", "leads out of the system" },
        { "link-empty", "a symbolic link says 1 to" },
        { "through-escape", "'escape' is no folder in the installed system" },
        { "hard-out", "a part that is '..'" },
        { "hard-absolute", "is absolute" },
        { "hard-to-installed", "which is no file that comes before it" },
        { "hard-to-link", "which is no file that comes before it" },
        { "char-device", "it is a device" },
        { "block-device", "it is a device" },
        { "pipe", "it is a pipe" },
        { "unknown-type", "of a kind that is not allowed" },
        { "file-over-folder", "it is a folder in the installed system" },
        { "folder-over-file", "no folder in the installed system" },
        { "through-file", "'etc/hostname' is no folder" },
        { "root-as-file", "the place of the system's root" },
        { "empty-name", "its name has 1 to 4095 bytes" },
        { "long-part", "longer than 255 bytes" },
        { "sparse-gnu", "sparse" },
        { "sparse-pax", "sparse" },
        { "pax-dots", "a part that is '..'" },
        { "pax-zero", "has 1 to 4095 bytes" },
        { "pax-link-out", "leads out of the system" },
        { "gnu-dots", "a part that is '..'" },
        { "pax-damaged", "a pax header in it is damaged" },
        { "pax-size", "wrong size" },
        { "pax-global", "sets path for all entries" },
        { "pax-global-between", "have a global one among them" },
        { "gnu-global-between", "have a global one among them" },
        { "pax-twice", "come twice for one entry" },
        { "pax-and-gnu", "are of both formats" },
        { "gnu-twice", "come twice for one entry" },
        { "gnu-and-prefix", "GNU's extended header and POSIX's name in two fields" },
        { "gnu-times", "its time of change is no number" },
        { "header-at-end", "it ends between an entry and the entry's own headers" },
        { "pax-owner", "its owner is no number" },
        { "huge-pax", "an extended header has at most 65536 bytes" },
        { "bad-checksum", "the checksum of its header is wrong" },
        { "mixed-format", "neither POSIX nor GNU" },
        { "unknown-format", "neither POSIX nor GNU" },
        { "bad-size", "its size is no number" },
        { "zero-before-size", "its size is no number" },
        { "zero-within-size", "its size is no number" },
        { "negative-size", "its size is out of range" },
        { "hard-with-size", "its size is out of range" },
        { "big-mode", "its mode is out of range" },
        { "link-with-content", "its size is out of range" },
        { "binary-overflow", "its size is out of range" },
        { "big-owner", "owner or group is out of range" },
        { "no-end", "without the mark of its end" },
        { "half-block", "in the middle of a block" },
        { "trailing", "something follows the mark of its end" },
        { "bomb", "have more than" },
        { "many-bombs", "have more than" },
        { "not-gzip", "it is no gzip file" },
        { "nothing", "it ends too early" },
        { "garbage-after", "something that is no gzip follows" },
        { "bad-crc", "its checksum is wrong" },
        { "bad-length", "its checksum is wrong" },
        { "control-name", "\\u001b[2J" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_hostile_package_is_refused_as_a_whole_and_says_why(string what, string why)
    {
        var before = _rig.Snapshot();
        var e = Assert.Throws<ChannelException>(() => _rig.Lay(Make(what), what == "many-bombs" ? 3 << 20 : OverlayRig.Limit));
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("the archive is refused", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(e.Message, char.IsControl);
        Assert.Equal(before, _rig.Snapshot());
    }

    [Fact]
    public void Whatever_is_cut_off_nothing_is_laid_down_and_nothing_but_a_refusal_comes()
    {
        var whole = new RawTar().Add("first", content: "1").Pax("path=second").Add("x", content: new string('y', 700)).Add("folder", '5').Gzip();
        var before = _rig.Snapshot();
        for (var length = 0; length < whole.Length; length++)
        {
            var e = Assert.Throws<ChannelException>(() => _rig.Lay(whole[..length]));
            Assert.Equal(ChannelError.InvalidArgument, e.Code);
        }

        Assert.Equal(before, _rig.Snapshot());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_byte_is_changed_nothing_but_a_refusal_comes(bool inside)
    {
        var tar = Plain(new RawTar().Add("a/first", content: "1").Pax("path=second", "mtime=12.5").Add("x", content: new string('y', 40)).Add("l", '2', link: "first"));
        var whole = inside ? tar : RawTar.Gzip(tar);
        var random = new Random(7);
        for (var i = 0; i < 3000; i++)
        {
            byte[] changed = [.. whole];
            changed[random.Next(inside ? 2600 : changed.Length)] = (byte)random.Next(256);
            try
            {
                _rig.Lay(inside ? RawTar.Gzip(changed, CompressionLevel.NoCompression) : changed);
            }
            catch (ChannelException e)
            {
                // An owner or a name may be changed to another that is right; anything else is a refusal.
                Assert.Contains(e.Code, new[] { ChannelError.InvalidArgument, ChannelError.ResourceExhausted, ChannelError.NotFound });
            }
        }

        Assert.Equal("secret", File.ReadAllText(_rig.At("outside/secret")));
        Assert.Single(Directory.GetFileSystemEntries(_rig.At("outside")));
    }

    private static byte[] Make(string what)
    {
        var tar = new RawTar().Add("good", content: "good");
        return what switch
        {
            "../x" or "a/../../x" or "/etc/x" => tar.Add(what, content: "x").Gzip(),
            "link-through" => tar.Add("l", '2', link: "etc").Add("l/passwd", content: "x").Gzip(),
            "link-as-folder" => tar.Add("l", '2', link: "etc").Add("l", '5').Gzip(),
            "link-out" => tar.Add("etc/l", '2', link: "../../x").Gzip(),
            "link-absolute-out" => tar.Add("etc/l", '2', link: "/../x").Gzip(),
            "link-empty" => tar.Add("l", '2').Gzip(),
            "through-escape" => tar.Add("escape/x", content: "x").Gzip(),
            "hard-out" => tar.Add("h", '1', link: "../outside/secret").Gzip(),
            "hard-absolute" => tar.Add("h", '1', link: "/etc/passwd").Gzip(),
            "hard-to-installed" => tar.Add("h", '1', link: "etc/shown").Gzip(),
            "hard-to-link" => tar.Add("l", '2', link: "good").Add("h", '1', link: "l").Gzip(),
            "char-device" => tar.Add("dev/null", '3').Gzip(),
            "block-device" => tar.Add("dev/sda", '4').Gzip(),
            "pipe" => tar.Add("p", '6').Gzip(),
            "unknown-type" => tar.Add("p", 'V').Gzip(),
            "file-over-folder" => tar.Add("etc", content: "x").Gzip(),
            "folder-over-file" => tar.Add("etc/hostname", '5').Gzip(),
            "through-file" => tar.Add("etc/hostname/x").Gzip(),
            "root-as-file" => tar.Add(".", content: "x").Gzip(),
            "empty-name" => tar.Add("").Gzip(),
            "long-part" => tar.Pax($"path={new string('n', 256)}").Add("x").Gzip(),
            "sparse-gnu" => tar.Add("s", 'S').Gzip(),
            "sparse-pax" => tar.Pax("GNU.sparse.major=1").Add("s").Gzip(),
            "pax-dots" => tar.Pax("path=../x").Add("fine").Gzip(),
            "pax-zero" => tar.Pax("path=a\0b").Add("fine").Gzip(),
            "pax-link-out" => tar.Pax("linkpath=../x").Add("fine", '2', link: "good").Gzip(),
            "gnu-dots" => tar.Add("././@LongLink", 'L', "a/../../x\0").Add("fine").Gzip(),
            "pax-damaged" => tar.Add("pax", 'x', "99 path=x\n").Add("fine").Gzip(),
            "pax-size" => tar.Pax("size=-5").Add("fine").Gzip(),
            "pax-global" => tar.Add("pax", 'g', RawTar.Record("path=x")).Add("fine").Gzip(),
            "pax-global-between" => tar.Pax("path=x").Add("pax", 'g', RawTar.Record("comment=x")).Add("fine").Gzip(),
            "gnu-global-between" => tar.Add("././@LongLink", 'L', "x\0").Add("pax", 'g', RawTar.Record("comment=x")).Add("fine").Gzip(),
            "pax-twice" => tar.Pax("path=x").Pax("path=y").Add("fine").Gzip(),
            "pax-and-gnu" => tar.Add("././@LongLink", 'L', "x\0").Pax("path=y").Add("fine").Gzip(),
            "gnu-twice" => tar.Add("././@LongLink", 'K', "x\0").Add("././@LongLink", 'K', "y\0").Add("fine", '2', link: "z").Gzip(),
            "gnu-and-prefix" => tar.Add("././@LongLink", 'K', "x\0").Add("fine", '2', link: "z", change: h => "folder"u8.CopyTo(h.AsSpan(345))).Gzip(),
            "gnu-times" => tar.Add("s", change: h =>
            {
                "ustar  \0"u8.CopyTo(h.AsSpan(257));
                "content"u8.CopyTo(h.AsSpan(357));
            }).Gzip(),
            "header-at-end" => tar.Pax("path=x").Gzip(),
            "pax-owner" => tar.Add("pax", 'x', RawTar.Record("path=x"), owner: "no").Add("fine").Gzip(),
            "huge-pax" => tar.Add("pax", 'x', size: "77777777777").Gzip(),
            "bad-checksum" => RawTar.Gzip(Changed(tar, 512 + 512 + 1)),
            "mixed-format" => tar.Add("s", change: h => "ustar\0 \0"u8.CopyTo(h.AsSpan(257))).Gzip(),
            "unknown-format" => tar.Add("s", change: h => "USTAR\0"u8.CopyTo(h.AsSpan(257))).Gzip(),
            "bad-size" => tar.Add("s", size: "12x").Gzip(),
            "zero-before-size" => tar.Add("s", content: "content", size: "\0" + "0000000007").Gzip(),
            "zero-within-size" => tar.Add("s", content: "content", size: "00007\0" + "00000").Gzip(),
            "negative-size" => tar.Add("s", change: h => h.AsSpan(124, 12).Fill(0xFF)).Gzip(),
            "hard-with-size" => tar.Add("h", '1', link: "good", size: "00000000004").Gzip(),
            "big-mode" => tar.Add("s", change: h => h.AsSpan(100, 8).Fill(0xFF)).Gzip(),
            "link-with-content" => tar.Add("l", '2', "content", "good").Gzip(),
            "binary-overflow" => tar.Add("s", change: h => h.AsSpan(124, 12).Fill(0x80)).Gzip(),
            "big-owner" => tar.Add("s", change: h => (h[108], h[109]) = (0x80, 0x7F)).Gzip(),
            "no-end" => tar.Gzip(withEnd: false),
            "half-block" => RawTar.Gzip(Plain(tar)[..1300]),
            "trailing" => RawTar.Gzip([.. Plain(tar), .. "more"u8, .. new byte[508]]),
            "bomb" => tar.Add("zeros", size: "77777777777").Gzip(),
            "many-bombs" => Enumerable.Range(0, 4).Aggregate(tar, (all, i) => all.Add($"z{i}", content: new string('\0', 1 << 20))).Gzip(),
            "not-gzip" => "not a gzip file at all"u8.ToArray(),
            "nothing" => [],
            "garbage-after" => [.. tar.Gzip(), .. "garbage after it"u8],
            "bad-crc" => Flip(tar.Gzip(), 8),
            "bad-length" => Flip(tar.Gzip(), 4),
            "control-name" => tar.Add("\u001b[2J/../x").Gzip(),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        };
    }

    private static byte[] Flip(byte[] bytes, int fromEnd)
    {
        bytes[^fromEnd] ^= 1;
        return bytes;
    }

    private static byte[] Changed(RawTar tar, int at)
    {
        var bytes = Plain(tar.Add("second", content: "x"));
        bytes[at] ^= 1;
        return bytes;
    }

    private static byte[] Plain(RawTar tar)
    {
        using var result = new MemoryStream();
        using var gzip = new GZipStream(new MemoryStream(tar.Gzip()), CompressionMode.Decompress);
        gzip.CopyTo(result);
        return result.ToArray();
    }
}
