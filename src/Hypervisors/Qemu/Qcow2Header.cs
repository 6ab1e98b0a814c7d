using System.Buffers.Binary;
using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// The header of a qcow2 image (QEMU's docs/interop/qcow2.txt), as far as it names other files. A QEMU that is given its disks open has
/// no right to those, and what a guest may have written must not choose files of the host.
/// </summary>
internal static class Qcow2Header
{
    /// <summary>What an image begins with.</summary>
    public const uint Magic = 0x5146_49FB;

    /// <summary>Its bytes in version 3.</summary>
    public const int Size = 104;

    private const int VersionAt = 4;
    private const int BackingAt = 8;
    private const int IncompatibleAt = 72;
    private const ulong ExternalData = 4;

    /// <summary>Checks that an image stands alone.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is no such image, or names another file.</exception>
    public static void RequireAlone(SafeFileHandle file, string path)
    {
        Span<byte> untrusted = stackalloc byte[Size];
        untrusted.Clear();
        int length;
        try
        {
            length = LocalFile.Read(file, untrusted, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LocalFile.ToException(e, path);
        }

        if (length < IncompatibleAt || BinaryPrimitives.ReadUInt32BigEndian(untrusted) != Magic)
        {
            throw Refused(path, "it is no qcow2 image");
        }

        if (BinaryPrimitives.ReadUInt64BigEndian(untrusted[BackingAt..]) != 0)
        {
            throw Refused(path, "it has a backing file, which its QEMU may not open; 'qemu-img convert' makes an image that stands alone");
        }

        if (BinaryPrimitives.ReadUInt32BigEndian(untrusted[VersionAt..]) > 2 && (BinaryPrimitives.ReadUInt64BigEndian(untrusted[IncompatibleAt..]) & ExternalData) != 0)
        {
            throw Refused(path, "its data is in another file, which its QEMU may not open; 'qemu-img convert' makes an image that stands alone");
        }
    }

    private static ChannelException Refused(string path, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the disk {path} cannot be used: {why}");
}
