using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What a package does to an installed system, and what it cannot do.</summary>
public sealed class OverlayTests : IDisposable
{
    private const long Limit = 1 << 30;
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("overlay-test-");

    public OverlayTests()
    {
        Directory.CreateDirectory(At("target/usr/bin"));
        Directory.CreateDirectory(At("target/etc"));
        Directory.CreateDirectory(At("outside"));
        File.CreateSymbolicLink(At("target/bin"), "usr/bin");
        File.CreateSymbolicLink(At("target/run"), "/var/run");
        File.CreateSymbolicLink(At("target/escape"), At("outside"));
        File.CreateSymbolicLink(At("target/etc/shown"), At("outside/secret"));
        File.WriteAllText(At("target/etc/hostname"), "old");
        File.WriteAllText(At("outside/secret"), "secret");
    }

    public void Dispose() => ChildProcess.RunAsync("/bin/rm", "-rf", _root.FullName).GetAwaiter().GetResult();

    [Theory]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void A_package_is_laid_down_with_modes_owners_times_and_links(TarEntryFormat format)
    {
        string deep = string.Join('/', Enumerable.Repeat("folder-of-a-long-name", 5)) + "/file";
        DateTimeOffset time = DateTimeOffset.FromUnixTimeSeconds(1_600_000_001);
        byte[] content = new byte[200_000];
        new Random(4).NextBytes(content);
        OverlayReply reply = Lay(Pack(format, writer =>
        {
            Write(writer, format, TarEntryType.Directory, "./", e => e.Mode = UnixFileMode.None);
            Write(writer, format, TarEntryType.Directory, "./srv/", e => (e.Mode, e.Uid, e.ModificationTime) = ((UnixFileMode)0b111_101_000, 33, time));
            Write(writer, format, TarEntryType.RegularFile, "srv/data", e => (e.Mode, e.Uid, e.Gid, e.ModificationTime, e.DataStream) = ((UnixFileMode)0b100_110_100_000, 1000, 1001, time, new MemoryStream(content)));
            Write(writer, format, TarEntryType.HardLink, "srv/same", e => e.LinkName = "./srv/data");
            Write(writer, format, TarEntryType.SymbolicLink, "srv/link", e => (e.LinkName, e.Uid) = ("../etc/hostname", 5));
            Write(writer, format, TarEntryType.SymbolicLink, "etc/localtime", e => e.LinkName = "/usr/share/zoneinfo/UTC");
            Write(writer, format, TarEntryType.RegularFile, "etc/hostname", e => e.DataStream = new MemoryStream("new"u8.ToArray()));
            Write(writer, format, TarEntryType.RegularFile, "bin/tool", e => e.DataStream = new MemoryStream("tool"u8.ToArray()));
            Write(writer, format, TarEntryType.RegularFile, deep, e => e.DataStream = new MemoryStream("deep"u8.ToArray()));
            Write(writer, format, TarEntryType.RegularFile, "empty", _ => { });
        }));
        Assert.Equal((10ul, 200_000ul + 3 + 4 + 4), (reply.Entries, reply.Bytes));
        Assert.Equal(content, File.ReadAllBytes(At("target/srv/data")));
        Assert.Equal("9a0 1000:1001 1600000001 2", Stat("srv/data"));
        Assert.Equal(Stat("srv/data"), Stat("srv/same"));
        Assert.Equal("1e8 33:0 1600000001 2", Stat("srv"));
        Assert.Equal("../etc/hostname", new FileInfo(At("target/srv/link")).LinkTarget);
        Assert.Contains(" 5:0 ", Stat("srv/link"), StringComparison.Ordinal);
        Assert.Equal("/usr/share/zoneinfo/UTC", new FileInfo(At("target/etc/localtime")).LinkTarget);
        Assert.Equal("new", File.ReadAllText(At("target/etc/hostname")));
        Assert.Equal("tool", File.ReadAllText(At("target/usr/bin/tool")));
        Assert.Equal("usr/bin", new FileInfo(At("target/bin")).LinkTarget);
        Assert.Equal("deep", File.ReadAllText(At($"target/{deep}")));
        Assert.Equal(0, new FileInfo(At("target/empty")).Length);
        // The root is the installed system's, whatever the package says of it.
        Assert.NotEqual(UnixFileMode.None, File.GetUnixFileMode(At("target")));
    }

    [Fact]
    public void Links_of_the_installed_system_are_followed_inside_of_it()
    {
        Lay(new RawTar().Add("newdir", '5').Gzip());
        Directory.CreateDirectory(At("target/var/run"));
        Lay(new RawTar().Add("run/pid", content: "1").Add("etc/shown", content: "mine").Gzip());
        Assert.Equal("1", File.ReadAllText(At("target/var/run/pid")));
        Assert.Equal("mine", File.ReadAllText(At("target/etc/shown")));
        Assert.Equal("secret", File.ReadAllText(At("outside/secret")));
    }

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
        { "huge-pax", "an extended header has at most 65536 bytes" },
        { "bad-checksum", "the checksum of its header is wrong" },
        { "bad-size", "its size is no number" },
        { "negative-size", "its size is out of range" },
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
        string before = Snapshot();
        ChannelException e = Assert.Throws<ChannelException>(() => Lay(Make(what), what == "many-bombs" ? 3 << 20 : Limit));
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("the archive is refused", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(e.Message, char.IsControl);
        Assert.Equal(before, Snapshot());
    }

    [Fact]
    public void Whatever_is_cut_off_nothing_is_laid_down_and_nothing_but_a_refusal_comes()
    {
        byte[] whole = new RawTar().Add("first", content: "1").Pax("path=second").Add("x", content: new string('y', 700)).Add("folder", '5').Gzip();
        string before = Snapshot();
        for (int length = 0; length < whole.Length; length++)
        {
            ChannelException e = Assert.Throws<ChannelException>(() => Lay(whole[..length]));
            Assert.Equal(ChannelError.InvalidArgument, e.Code);
        }
        Assert.Equal(before, Snapshot());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_byte_is_changed_nothing_but_a_refusal_comes(bool inside)
    {
        byte[] tar = Plain(new RawTar().Add("a/first", content: "1").Pax("path=second", "mtime=12.5").Add("x", content: new string('y', 40)).Add("l", '2', link: "first"));
        byte[] whole = inside ? tar : RawTar.Gzip(tar);
        var random = new Random(7);
        for (int i = 0; i < 3000; i++)
        {
            byte[] changed = [.. whole];
            changed[random.Next(inside ? 2600 : changed.Length)] = (byte)random.Next(256);
            try
            {
                Lay(inside ? RawTar.Gzip(changed, CompressionLevel.NoCompression) : changed);
            }
            catch (ChannelException e)
            {
                // An owner or a name may be changed to another that is right; anything else is a refusal.
                Assert.Contains(e.Code, new[] { ChannelError.InvalidArgument, ChannelError.ResourceExhausted, ChannelError.NotFound });
            }
        }
        Assert.Equal("secret", File.ReadAllText(At("outside/secret")));
        Assert.Single(Directory.GetFileSystemEntries(At("outside")));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void Every_way_to_compress_is_understood(CompressionLevel level)
    {
        byte[] content = new byte[3_000_000];
        var random = new Random(11);
        random.NextBytes(content.AsSpan(0, 500_000));
        for (int i = 500_000; i < 2_000_000; i++)
        {
            content[i] = (byte)"channel"[random.Next(7)];
        }
        var reader = new GzipReader(new MemoryStream([.. RawTar.Gzip(content, level), .. RawTar.Gzip([], level), .. RawTar.Gzip(content[..10], level), 0, 0]));
        reader.Open();
        byte[] read = new byte[content.Length + 100];
        Assert.Equal(content.Length + 10, reader.Read(read));
        Assert.True(read.AsSpan(0, content.Length).SequenceEqual(content));
        Assert.True(read.AsSpan(content.Length, 10).SequenceEqual(content.AsSpan(0, 10)));
    }

    [Fact]
    public void An_archive_with_too_many_entries_is_refused()
    {
        var tar = new RawTar();
        for (int i = 0; i < 65_537; i++)
        {
            tar.Add($"f{i}");
        }
        ChannelException e = Assert.Throws<ChannelException>(() => Lay(tar.Gzip()));
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
        Assert.Contains("'f65536': an archive has at most 65536 entries", e.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(At("target/f0")));
    }

    [Fact]
    public void Extended_headers_before_one_entry_are_bounded()
    {
        static RawTar Headers(int count) => Enumerable.Range(0, count).Aggregate(new RawTar(), (tar, _) => tar.Add("pax", 'g', RawTar.Record("comment=x"))).Add("f");
        Assert.Contains("more than 32 extended headers", Assert.Throws<ChannelException>(() => Lay(Headers(33).Gzip())).Message, StringComparison.Ordinal);
        Assert.Equal(1ul, Lay(Headers(32).Gzip()).Entries);
    }

    [Fact]
    public void Decompressed_bytes_are_bounded_and_the_work_on_them_can_be_called_off()
    {
        byte[] archive = new RawTar().Add("f", content: new string('x', 1 << 20)).Gzip();
        Overlay.TarReader Reader(long most, CancellationToken token)
        {
            var gzip = new GzipReader(new MemoryStream(archive));
            gzip.Open();
            return new Overlay.TarReader(gzip, most, token);
        }

        Overlay.TarReader bounded = Reader(1 << 19, default);
        Assert.NotNull(bounded.Next());
        Assert.Equal(ChannelError.ResourceExhausted, Assert.Throws<ChannelException>(bounded.Next).Code);
        using var stop = new CancellationTokenSource();
        Overlay.TarReader stopped = Reader(long.MaxValue, stop.Token);
        Assert.NotNull(stopped.Next());
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(stopped.Next);
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
            "huge-pax" => tar.Add("pax", 'x', size: "77777777777").Gzip(),
            "bad-checksum" => RawTar.Gzip(Changed(tar, 512 + 512 + 1)),
            "bad-size" => tar.Add("s", size: "12x").Gzip(),
            "negative-size" => tar.Add("s", change: h => h.AsSpan(124, 12).Fill(0xFF)).Gzip(),
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
        byte[] bytes = Plain(tar.Add("second", content: "x"));
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

    private static byte[] Pack(TarEntryFormat format, Action<TarWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var writer = new TarWriter(bytes, format, leaveOpen: true))
        {
            write(writer);
        }
        return RawTar.Gzip(bytes.ToArray());
    }

    private static void Write(TarWriter writer, TarEntryFormat format, TarEntryType type, string name, Action<System.Formats.Tar.TarEntry> change)
    {
        System.Formats.Tar.TarEntry entry = format switch
        {
            TarEntryFormat.Ustar => new UstarTarEntry(type, name),
            TarEntryFormat.Pax => new PaxTarEntry(type, name),
            _ => new GnuTarEntry(type, name),
        };
        change(entry);
        writer.WriteEntry(entry);
    }

    private OverlayReply Lay(byte[] archive, long limit = Limit)
    {
        using var tree = new OverlayTree(At("target"));
        return OverlayArchive.Lay(tree, new MemoryStream(archive), limit, CancellationToken.None);
    }

    private string At(string name) => $"{_root.FullName}/{name}";

    private string Stat(string name) => RunAsync("stat", "-c", "%f %u:%g %Y %h", At($"target/{name}")).Trim()[1..];

    private string Snapshot() => RunAsync("find", _root.FullName, "-printf", "%p %m %s %T@ %l\\n");

    private static string RunAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}
