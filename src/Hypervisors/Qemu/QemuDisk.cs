using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Disks that this process opens, and QEMU's arguments for them.</summary>
internal static class QemuDisk
{
    /// <summary>Opens a disk.</summary>
    /// <param name="files">Gets the open file.</param>
    /// <param name="path">Path of the image or block device.</param>
    /// <param name="format">Its format; an image that names another file is refused.</param>
    /// <param name="node">Name of its node in QEMU.</param>
    /// <param name="slot">PCI slot: the guest's names for its disks follow their order.</param>
    /// <param name="isReadOnly">Whether the guest can only read it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be opened, or used.</exception>
    public static string[] Arguments(QemuDescriptors files, string path, string format, string node, int slot, bool isReadOnly = false) =>
        Arguments(node, slot, Node(files, path, format, isReadOnly, $",\"node-name\":\"{node}\",\"discard\":\"unmap\""));

    /// <summary>Opens a disk that takes all writes to itself, and the one that it begins as, which is only read.</summary>
    /// <inheritdoc cref="Arguments(QemuDescriptors, string, string, string, int, bool)"/>
    public static string[] Overlay(QemuDescriptors files, string path, string disk, string diskFormat, string node, int slot) =>
        Arguments(node, slot, Format(Qcow2Overlay.Format, isReadOnly: false, $",\"node-name\":\"{node}\",\"discard\":\"unmap\"", FileNode(files, Open(path, isReadOnly: false), path, isReadOnly: false),
            Node(files, disk, diskFormat, isReadOnly: true, "")));

    private static string[] Arguments(string node, int slot, string description) =>
        ["-blockdev", description, .. QemuDevices.VirtioDisk(node, slot)];

    private static string Node(QemuDescriptors files, string path, string format, bool isReadOnly, string more)
    {
        var file = Open(path, isReadOnly);
        try
        {
            if (format == Qcow2Overlay.Format)
            {
                Qcow2Header.RequireAlone(file, path);
            }

            return Format(format, isReadOnly, more, FileNode(files, file, path, isReadOnly), "null");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    // Of an image that names no other file the header is not asked for one either.
    private static string Format(string format, bool isReadOnly, string more, string file, string backing) =>
        $"{{\"driver\":{QemuArguments.Json(format)}{more}{ReadOnly(isReadOnly)}{(format == Qcow2Overlay.Format ? $",\"backing\":{backing}" : "")},\"file\":{file}}}";

    private static string FileNode(QemuDescriptors files, SafeFileHandle file, string path, bool isReadOnly) =>
        $"{{\"driver\":\"{(FileIdentity.Of((int)file.DangerousGetHandle()) is { IsBlockDevice: true } ? "host_device" : "file")}\",\"filename\":{QemuArguments.Json(files.AddDisk(file, path))},\"discard\":\"unmap\"{ReadOnly(isReadOnly)}}}";

    private static string ReadOnly(bool isReadOnly) => isReadOnly ? ",\"read-only\":true" : "";

    private static SafeFileHandle Open(string path, bool isReadOnly)
    {
        // Not waiting: a pipe has no other end.
        var number = FileCalls.Open(path, (isReadOnly ? Abi.O_RDONLY : Abi.O_RDWR) | Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC, 0);
        if (number < 0)
        {
            throw Refused(path, $"cannot be opened: {Errno.Describe(Errno.Last)}");
        }

        var file = new SafeFileHandle(number, ownsHandle: true);
        if (FileIdentity.Of(number) is not ({ IsRegular: true } or { IsBlockDevice: true }))
        {
            file.Dispose();
            throw Refused(path, "cannot be used: it is neither a file nor a block device");
        }

        Descriptor.SetBlocking(file);
        return file;
    }

    private static ChannelException Refused(string path, string why) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the disk {path} {why}");
}
