using System.Diagnostics;
using System.Security.Cryptography;

namespace ChannelSdk.Bench.Data;

/// <summary>What is moved: a disk of random bytes, and an ext4 with a file of the same bytes and room for another.</summary>
/// <param name="Disk">The disk's image.</param>
/// <param name="FileSystem">The image with the file <c>out</c>.</param>
/// <param name="Dump">A file of the bytes, which exports write and imports read.</param>
/// <param name="Sha256">Of the bytes, in hexadecimal digits.</param>
internal sealed record DataDisks(string Disk, string FileSystem, string Dump, string Sha256)
{
    public static async Task<DataDisks> MakeAsync(string folder, long bytes)
    {
        var content = Directory.CreateDirectory(Path.Combine(folder, "content")).FullName;
        var (disk, fileSystem) = (Path.Combine(folder, "disk.img"), Path.Combine(folder, "ext4.img"));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var random = new Random(1);
        var block = new byte[1 << 20];
        await using (var image = File.Create(disk))
        {
            for (long written = 0; written < bytes; written += block.Length)
            {
                random.NextBytes(block);
                hash.AppendData(block);
                await image.WriteAsync(block);
            }
        }

        File.Copy(disk, Path.Combine(content, "out"));
        await RunAsync("truncate", "-s", $"{(bytes / 4 * 9) + (64 << 20)}", fileSystem);
        await RunAsync("mkfs.ext4", "-q", "-F", "-d", content, fileSystem);
        var dump = Path.Combine(folder, "dump");
        File.Move(Path.Combine(content, "out"), dump);
        return new DataDisks(disk, fileSystem, dump, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    /// <summary>Whether a file of this host has the bytes.</summary>
    public async Task CheckAsync(string file)
    {
        await using var stream = File.OpenRead(file);
        if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stream)) != Sha256)
        {
            throw new InvalidOperationException($"{file} has other bytes than what was moved");
        }
    }

    private static async Task RunAsync(params string[] command)
    {
        using var process = Process.Start(command[0], command[1..])!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{command[0]} ended with {process.ExitCode}");
        }
    }
}
