using System.Formats.Tar;
using System.IO.Compression;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>What a package does to an installed system, and how much of one is taken.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class OverlayTests : IDisposable
{
    private readonly OverlayRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void A_package_is_laid_down_with_modes_owners_times_and_links(TarEntryFormat format)
    {
        var deep = string.Join('/', Enumerable.Repeat("folder-of-a-long-name", 5)) + "/file";
        var time = DateTimeOffset.FromUnixTimeSeconds(1_600_000_001);
        var content = new byte[200_000];
        new Random(4).NextBytes(content);
        var reply = _rig.Lay(Pack(format, writer =>
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
        Assert.Equal(content, File.ReadAllBytes(_rig.At("target/srv/data")));
        Assert.Equal("9a0 1000:1001 1600000001 2", _rig.Stat("srv/data"));
        Assert.Equal(_rig.Stat("srv/data"), _rig.Stat("srv/same"));
        Assert.Equal("1e8 33:0 1600000001 2", _rig.Stat("srv"));
        Assert.Equal("../etc/hostname", new FileInfo(_rig.At("target/srv/link")).LinkTarget);
        Assert.Contains(" 5:0 ", _rig.Stat("srv/link"), StringComparison.Ordinal);
        Assert.Equal("/usr/share/zoneinfo/UTC", new FileInfo(_rig.At("target/etc/localtime")).LinkTarget);
        Assert.Equal("new", File.ReadAllText(_rig.At("target/etc/hostname")));
        Assert.Equal("tool", File.ReadAllText(_rig.At("target/usr/bin/tool")));
        Assert.Equal("usr/bin", new FileInfo(_rig.At("target/bin")).LinkTarget);
        Assert.Equal("deep", File.ReadAllText(_rig.At($"target/{deep}")));
        Assert.Equal(0, new FileInfo(_rig.At("target/empty")).Length);
        // The root keeps the installed system's attributes, not the package's.
        Assert.NotEqual(UnixFileMode.None, File.GetUnixFileMode(_rig.At("target")));
    }

    [Theory]
    [InlineData("gnu", 120)]
    [InlineData("pax", 120)]
    [InlineData("ustar", 90)]
    [InlineData("v7", 90)]
    public void A_package_that_GNU_tar_has_packed_is_laid_down(string format, int length)
    {
        var name = new string('n', length);
        Directory.CreateDirectory(_rig.At("packed/srv"));
        File.WriteAllText(_rig.At($"packed/srv/{name}"), "content");
        OverlayRig.RunAsync("ln", _rig.At($"packed/srv/{name}"), _rig.At("packed/srv/same"));
        File.CreateSymbolicLink(_rig.At("packed/srv/link"), name);
        OverlayRig.RunAsync("tar", $"--format={format}", "-czf", _rig.At("packed.tgz"), "-C", _rig.At("packed"), ".");
        Assert.Equal(5ul, _rig.Lay(File.ReadAllBytes(_rig.At("packed.tgz"))).Entries);
        Assert.Equal("content", File.ReadAllText(_rig.At("target/srv/same")));
        Assert.Equal(_rig.Stat("srv/same"), _rig.Stat($"srv/{name}"));
        Assert.Equal(name, new FileInfo(_rig.At("target/srv/link")).LinkTarget);
    }

    [Fact]
    public void Links_of_the_installed_system_are_followed_inside_of_it()
    {
        _rig.Lay(new RawTar().Add("newdir", '5').Gzip());
        Directory.CreateDirectory(_rig.At("target/var/run"));
        _rig.Lay(new RawTar().Add("run/pid", content: "1").Add("etc/shown", content: "mine").Gzip());
        Assert.Equal("1", File.ReadAllText(_rig.At("target/var/run/pid")));
        Assert.Equal("mine", File.ReadAllText(_rig.At("target/etc/shown")));
        Assert.Equal("secret", File.ReadAllText(_rig.At("outside/secret")));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public void Every_way_to_compress_is_understood(CompressionLevel level)
    {
        var content = new byte[3_000_000];
        var random = new Random(11);
        random.NextBytes(content.AsSpan(0, 500_000));
        for (var i = 500_000; i < 2_000_000; i++)
        {
            content[i] = (byte)"channel"[random.Next(7)];
        }

        var reader = new GzipReader(new MemoryStream([.. RawTar.Gzip(content, level), .. RawTar.Gzip([], level), .. RawTar.Gzip(content[..10], level), 0, 0]));
        reader.Open();
        var read = new byte[content.Length + 100];
        Assert.Equal(content.Length + 10, reader.Read(read));
        Assert.True(read.AsSpan(0, content.Length).SequenceEqual(content));
        Assert.True(read.AsSpan(content.Length, 10).SequenceEqual(content.AsSpan(0, 10)));
    }

    [Fact]
    public void An_archive_with_too_many_entries_is_refused()
    {
        var tar = new RawTar();
        for (var i = 0; i < 65_537; i++)
        {
            tar.Add($"f{i}");
        }

        var e = Assert.Throws<ChannelException>(() => _rig.Lay(tar.Gzip()));
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
        Assert.Contains("'f65536': an archive has at most 65536 entries", e.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_rig.At("target/f0")));
    }

    [Fact]
    public void Extended_headers_before_one_entry_are_bounded()
    {
        static RawTar Headers(int count) => Enumerable.Range(0, count).Aggregate(new RawTar(), (tar, _) => tar.Add("pax", 'g', RawTar.Record("comment=x"))).Add("f");
        Assert.Contains("more than 32 extended headers", Assert.Throws<ChannelException>(() => _rig.Lay(Headers(33).Gzip())).Message, StringComparison.Ordinal);
        Assert.Equal(1ul, _rig.Lay(Headers(32).Gzip()).Entries);
    }

    [Fact]
    public void Decompressed_bytes_are_bounded_and_the_work_on_them_can_be_called_off()
    {
        var archive = new RawTar().Add("f", content: new string('x', 1 << 20)).Gzip();
        Overlay.TarReader Reader(long most, CancellationToken token)
        {
            var gzip = new GzipReader(new MemoryStream(archive));
            gzip.Open();
            return new Overlay.TarReader(gzip, most, token);
        }

        var bounded = Reader(1 << 19, default);
        Assert.NotNull(bounded.Next());
        Assert.Equal(ChannelError.ResourceExhausted, Assert.Throws<ChannelException>(bounded.Next).Code);
        using var stop = new CancellationTokenSource();
        var stopped = Reader(long.MaxValue, stop.Token);
        Assert.NotNull(stopped.Next());
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(stopped.Next);
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
}
