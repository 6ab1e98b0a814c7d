using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using ChannelSdk.Install.Images;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The script that writes images, with files in place of an appliance's disks: what it refuses, and what it writes.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ImageScriptTests : IDisposable
{
    private const int MiB = 1 << 20;
    private static readonly byte[] s_old = [.. Enumerable.Repeat((byte)0xEE, MiB)];
    private readonly TestFolder _folder = new();

    public ImageScriptTests()
    {
        foreach (var script in ImageDefinition.Load(null).ReadUntrusted())
        {
            _folder.Write($"scripts/{script.Name}", script.Content.ToStringUtf8(), isScript: true);
        }

        _folder.Write("bin/channel-agent", "#!/bin/sh\necho \"$@\" >> \"$SAID\"\n", isScript: true);
        Directory.CreateDirectory(_folder.At("target"));
        Directory.CreateDirectory(_folder.At("tmp"));
    }

    private string Disk => _folder.At("disk");

    public void Dispose() => _folder.Dispose();

    /// <summary>Runs it for an image and a disk of 4 MiB that has a former system all over.</summary>
    private async Task<(int Code, string Error)> RunAsync(byte[] image, string format = "auto", long minDisk = 0, int diskBytes = 4 * MiB, string grow = "no")
    {
        await File.WriteAllBytesAsync(_folder.At("image"), image);
        await File.WriteAllBytesAsync(Disk, [.. Enumerable.Repeat(s_old, (diskBytes + MiB - 1) / MiB).SelectMany(static old => old).Take(diskBytes)]);
        var start = new ProcessStartInfo("bash", ["./create"]) { WorkingDirectory = _folder.At("scripts"), RedirectStandardError = true };
        (string Name, string Value)[] variables =
        [
            ("PATH", $"{_folder.At("bin")}:{Environment.GetEnvironmentVariable("PATH")}"), ("SAID", _folder.At("said")), ("TMPDIR", _folder.At("tmp")), ("DISK_COUNT", "1"), ("DISK_0_PATH", Disk),
            ("CHANNELSDK_TARGET", _folder.At("target")), ("IMAGE_PATH", _folder.At("image")), ("IMAGE_BYTES", $"{image.Length}"),
            ("IMAGE_FORMAT", format), ("IMAGE_MIN_DISK", $"{minDisk}"), ("OSP_GROW", grow),
        ];
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var error = await process.StandardError.ReadToEndAsync(stop.Token);
        await process.WaitForExitAsync(stop.Token);
        return (process.ExitCode, error.Trim());
    }

    private async Task RefusedAsync(string said, byte[] image, string format = "auto", long minDisk = 0)
    {
        var (code, error) = await RunAsync(image, format, minDisk);
        Assert.Equal(1, code);
        Assert.Contains(said, error.Split('\n')[^1]);
        // Told before the copy.
        Assert.DoesNotContain((await File.ReadAllBytesAsync(Disk)).Chunk(MiB), part => !part.AsSpan().SequenceEqual(s_old));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.At("tmp")));
    }

    /// <summary>A disk with a partition table of DOS and one partition.</summary>
    private static byte[] Raw(int bytes, uint sectors)
    {
        var raw = new byte[bytes];
        RandomNumberGenerator.Fill(raw.AsSpan(bytes / 2, 4096));
        (raw[510], raw[511]) = (0x55, 0xAA);
        BinaryPrimitives.WriteUInt32LittleEndian(raw.AsSpan(454), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(raw.AsSpan(458), sectors - 1);
        return raw;
    }

    private static byte[] Qcow2(Action<byte[]> change)
    {
        var image = new byte[MiB];
        "QFI\xfb"u8[..3].CopyTo(image);
        image[3] = 0xfb;
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(20), 16);
        BinaryPrimitives.WriteUInt64BigEndian(image.AsSpan(24), MiB);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(100), 104);
        change(image);
        return image;
    }

    private static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }

    private static byte[] Begin(string text, int bytes = 4096)
    {
        var result = new byte[bytes];
        Encoding.Latin1.GetBytes(text).CopyTo(result, 0);
        return result;
    }

    [Fact]
    public async Task A_raw_disk_is_written_whole_and_nothing_of_a_former_system_stays_behind_it()
    {
        var raw = Raw(2 * MiB, 4096);
        Assert.Equal((0, ""), await RunAsync(raw));
        byte[] expected = [.. raw, .. new byte[2 * MiB]];
        Assert.Equal(expected, await File.ReadAllBytesAsync(Disk));
        Assert.Equal((0, ""), await RunAsync(Gzip(raw)));
        Assert.Equal(expected, await File.ReadAllBytesAsync(Disk));
        Assert.Contains("result raw, packed by gzip", await File.ReadAllTextAsync(_folder.At("said")));
    }

    [Fact]
    public async Task A_raw_disk_that_poses_as_another_format_is_raw_where_that_is_said()
    {
        var posing = Qcow2(image => BinaryPrimitives.WriteUInt64BigEndian(image.AsSpan(8), 256));
        Assert.Equal((0, ""), await RunAsync(posing, "raw"));
        Assert.Equal(posing, (await File.ReadAllBytesAsync(Disk))[..posing.Length]);
        var packed = Gzip(Raw(2 * MiB, 4096));
        Assert.Equal((0, ""), await RunAsync(packed, "raw"));
        Assert.Equal(packed, (await File.ReadAllBytesAsync(Disk))[..packed.Length]);
    }

    [Fact]
    public Task A_qcow2_with_a_backing_file_is_refused_before_any_program_opens_it() => RefusedAsync("it is refused", Qcow2(image =>
    {
        BinaryPrimitives.WriteUInt64BigEndian(image.AsSpan(8), 256);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(16), 11);
        "/etc/passwd"u8.CopyTo(image.AsSpan(256));
    }));

    [Fact]
    public async Task Headers_that_lead_elsewhere_or_lie_are_refused()
    {
        await RefusedAsync("keeps its data in another file", Qcow2(image => image[79] = 4));
        await RefusedAsync("is encrypted", Qcow2(image => image[35] = 1));
        await RefusedAsync("of version 9", Qcow2(image => image[7] = 9));
        await RefusedAsync("is a description of VMDK files", Begin("# Disk DescriptorFile\nversion=1\nRW 8 FLAT \"/etc/passwd\" 0\n"));
        await RefusedAsync("is a VMDK that names other files", Begin("KDMV\u0001\0\0\0"));
        await RefusedAsync("is that of a CD", [.. new byte[32769], .. "CD001"u8, .. new byte[4096]]);
        await RefusedAsync("is of no format that is known", Begin("hello"));
        await RefusedAsync("is a zip, which is not known", Begin("PK\u0003\u0004"));
        await RefusedAsync("is said to be vmdk, and begins as raw does", Raw(MiB, 2048), "vmdk");
        await RefusedAsync("is a qcow2 that is packed by gzip", Gzip(Qcow2(static _ => { })));
        await RefusedAsync("cannot be unpacked by gzip", Begin("\u001f\u008b\u0008damaged"));
        await RefusedAsync("cannot be unpacked by xz", Begin("\u00fd7zXZ\0damaged"));
    }

    [Fact]
    public async Task A_disk_that_is_too_small_is_told_before_the_copy()
    {
        await RefusedAsync("the image needs a disk of 8388608 bytes, and this one has 4194304; nothing was written", Raw(2 * MiB, 16384));
        await RefusedAsync("the image needs a disk of 8388608 bytes", Gzip(Raw(2 * MiB, 16384)));
        await RefusedAsync("the image needs a disk of 5242880 bytes", Raw(5 * MiB, 2048));
        await RefusedAsync("the image needs a disk of 4194305 bytes", Raw(2 * MiB, 2048), minDisk: 4 * MiB + 1);
        var gpt = Raw(2 * MiB, 2048);
        "EFI PART"u8.CopyTo(gpt.AsSpan(512));
        gpt.AsSpan(544, 8).Fill(0xFF);
        await RefusedAsync("the image needs a disk of", gpt);
    }

    [Fact]
    public async Task A_packed_image_without_an_end_is_cut_at_the_disks_size()
    {
        var (code, error) = await RunAsync(Gzip(Raw(64 * MiB, 4096)));
        Assert.Equal(1, code);
        Assert.EndsWith("the image is larger than the disk of 4194304 bytes when it is unpacked", error);
        Assert.Equal(4 * MiB, new FileInfo(Disk).Length);
        var exact = Gzip(Raw(4 * MiB, 4096));
        Assert.Equal((0, ""), await RunAsync(exact));
        Assert.EndsWith("unexpected end of file", (await RunAsync(exact[..^2000])).Error);
    }
}
