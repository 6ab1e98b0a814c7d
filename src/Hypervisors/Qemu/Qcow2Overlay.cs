using System.Buffers.Binary;
using System.Text;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// New qcow2 images that begin as another disk and take all writes to themselves (QEMU's docs/interop/qcow2.txt). A start of qemu-img would be
/// a good part of the time in which a copy of a guest is ready.
/// </summary>
internal static class Qcow2Overlay
{
    /// <summary>Name of the format.</summary>
    public const string Format = "qcow2";

    private const uint BackingFormatExtension = 0xE279_2ACA;
    private const int ClusterBits = 16;
    private const int Cluster = 1 << ClusterBits;
    private const int SizeAt = 24;

    /// <summary>Bytes of the disk that one entry of the first table stands for.</summary>
    private const long EntryBytes = (long)Cluster * (Cluster / sizeof(long));

    /// <summary>As QEMU bounds the first table: 32 MiB.</summary>
    private const long MaxBytes = (32 << 20) / sizeof(long) * EntryBytes;

    private const int MaxName = 1023;
    private const int Sector = 512;
    private const int SeekEnd = 2;

    /// <summary>Makes one; a file that is there already is replaced.</summary>
    /// <param name="path">Path of the new image.</param>
    /// <param name="disk">What it begins as: raw or qcow2.</param>
    /// <param name="bytes">What the guest sees as the disk's size; null: as the disk's own file says.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made, or the disk is none that it could begin as; the text says why.</exception>
    public static void Create(string path, TargetDisk disk, long? bytes = null)
    {
        try
        {
            var size = bytes ?? SizeOf(disk);
            var header = Header(disk, size is > 0 and <= MaxBytes ? size : throw Failed(disk, $"its size is {size} bytes"));
            using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
            var tableClusters = (EntriesOf(size) * sizeof(long) + Cluster - 1) / Cluster;
            RandomAccess.Write(file, header, 0);
            // The table of counts has one entry, for the cluster behind it, in which each used cluster is counted once.
            Span<byte> entry = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64BigEndian(entry, 2 * Cluster);
            RandomAccess.Write(file, entry, Cluster);
            var counts = new byte[sizeof(ushort) * (3 + tableClusters)];
            for (var at = 1; at < counts.Length; at += sizeof(ushort))
            {
                counts[at] = 1;
            }

            RandomAccess.Write(file, counts, 2 * Cluster);
            // The first table is of zeros: all is in the other disk.
            RandomAccess.SetLength(file, (3 + tableClusters) * Cluster);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(disk, $"{path}: {FileFault.Describe(e)}");
        }
    }

    private static long EntriesOf(long size) => (size + EntryBytes - 1) / EntryBytes;

    private static byte[] Header(TargetDisk disk, long size)
    {
        var (name, format) = (Encoding.UTF8.GetBytes(Path.GetFullPath(disk.Path)), Encoding.UTF8.GetBytes(disk.Format));
        if (name.Length > MaxName)
        {
            throw Failed(disk, $"its path has more than {MaxName} bytes");
        }

        // The extensions are each padded to 8 bytes; one of zeros ends them.
        var nameAt = Qcow2Header.Size + 8 + (format.Length + 7) / 8 * 8 + 8;
        var header = new byte[nameAt + name.Length];
        var field = header.AsSpan();
        BinaryPrimitives.WriteUInt32BigEndian(field, Qcow2Header.Magic);
        BinaryPrimitives.WriteUInt32BigEndian(field[4..], 3);
        BinaryPrimitives.WriteInt64BigEndian(field[8..], nameAt);
        BinaryPrimitives.WriteInt32BigEndian(field[16..], name.Length);
        BinaryPrimitives.WriteInt32BigEndian(field[20..], ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(field[SizeAt..], size);
        BinaryPrimitives.WriteInt32BigEndian(field[36..], (int)EntriesOf(size));
        BinaryPrimitives.WriteInt64BigEndian(field[40..], 3 * Cluster);
        BinaryPrimitives.WriteInt64BigEndian(field[48..], Cluster);
        BinaryPrimitives.WriteInt32BigEndian(field[56..], 1);
        // Counts of 16 bits.
        BinaryPrimitives.WriteInt32BigEndian(field[96..], 4);
        BinaryPrimitives.WriteInt32BigEndian(field[100..], Qcow2Header.Size);
        BinaryPrimitives.WriteUInt32BigEndian(field[Qcow2Header.Size..], BackingFormatExtension);
        BinaryPrimitives.WriteInt32BigEndian(field[(Qcow2Header.Size + 4)..], format.Length);
        format.CopyTo(field[(Qcow2Header.Size + 8)..]);
        name.CopyTo(field[nameAt..]);
        return header;
    }

    private static long SizeOf(TargetDisk disk)
    {
        using var file = File.OpenHandle(disk.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        if (disk.Format == "raw")
        {
            // Of a block device too, which has no length of its own. QEMU counts a part of a sector as a whole one.
            return (DescriptorCalls.LSeek(file, 0, SeekEnd) + Sector - 1) / Sector * Sector;
        }

        Span<byte> untrusted = stackalloc byte[Qcow2Header.Size];
        return disk.Format == Format && LocalFile.Read(file, untrusted, 0) == Qcow2Header.Size && BinaryPrimitives.ReadUInt32BigEndian(untrusted) == Qcow2Header.Magic
            ? BinaryPrimitives.ReadInt64BigEndian(untrusted[SizeAt..]) : throw Failed(disk, $"it is no image of the format {SafeText.Escape(disk.Format)} that an overlay can begin as");
    }

    private static ChannelException Failed(TargetDisk disk, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"no overlay can be made for the disk {SafeText.Escape(disk.Path)}: {why}");
}
