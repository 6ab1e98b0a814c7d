using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Records;

/// <summary>
/// Finds disks that are given as raw and are an image of another format: their guest would see a disk of the file's size, and write over the
/// header. The first bytes are read as bytes, and nothing that they say is followed. A guest can write such bytes to its raw disk, so they are
/// a reason to ask, and none to read the disk as what they say.
/// </summary>
public static class DiskHeader
{
    private const int Size = 512;
    private const int MaxShown = 1024;

    /// <summary>The first bytes of images that qemu-img(1) makes, and where they stand.</summary>
    private static readonly (string Format, int At, byte[] Bytes)[] s_formats =
    [
        ("qcow2", 0, [.. "QFI"u8, 0xFB]),
        ("VMDK", 0, "KDMV"u8.ToArray()),
        ("VMDK", 0, "COWD"u8.ToArray()),
        ("VMDK", 0, "# Disk DescriptorFile"u8.ToArray()),
        ("VHDX", 0, "vhdxfile"u8.ToArray()),
        ("VHD", 0, "conectix"u8.ToArray()),
        ("VDI", 64, [0x7F, 0x10, 0xDA, 0xBE]),
        ("QED", 0, [.. "QED"u8, 0]),
    ];

    /// <summary>The format that a disk's first bytes are of; null: of no format that is known, or there is no such disk, or it cannot be read.</summary>
    /// <param name="path">Path of the file or block device.</param>
    public static string? FormatOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        // Not waiting: a pipe has no other end.
        using var file = new SafeFileHandle(FileCalls.Open(path, Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC), ownsHandle: true);
        if (file.IsInvalid || FileIdentity.Of((int)file.DangerousGetHandle()) is not ({ IsRegular: true } or { IsBlockDevice: true }))
        {
            return null;
        }

        Span<byte> untrusted = stackalloc byte[Size];
        try
        {
            untrusted = untrusted[..LocalFile.Read(file, untrusted, 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        foreach (var (format, at, bytes) in s_formats)
        {
            if (untrusted.Length >= at + bytes.Length && untrusted[at..].StartsWith(bytes))
            {
                return format;
            }
        }

        return null;
    }

    /// <summary>Why a disk that is given as raw may not be meant so, as a part of a sentence with what to do; null: nothing says that.</summary>
    /// <param name="disk">The disk.</param>
    public static string? DoubtOf(TargetDisk disk)
    {
        ArgumentNullException.ThrowIfNull(disk);
        if (disk.Format != "raw" || FormatOf(disk.Path) is not { } format)
        {
            return null;
        }

        var path = SafeText.Escape(disk.Path, MaxShown);
        return $"the disk {path} is given as raw and begins as a {format} image, whose header its guest would write over; "
            + (format == "qcow2" ? $"give it as {path}:qcow2 if it is one" : "if it is one, 'qemu-img convert -O raw' makes a disk of it");
    }
}
