using System.Buffers.Binary;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Reads a folder's entries by portions, with their names as raw bytes, in bounded memory.</summary>
/// <param name="folder">The open folder.</param>
/// <param name="shown">Its path, for messages.</param>
internal sealed class FolderReader(SafeFileHandle folder, string shown)
{
    // struct linux_dirent64 (getdents64(2)): inode 8, offset 8, length 2, type 1, name with a terminating zero.
    private const int NameAt = 19;
    private readonly byte[] _buffer = new byte[16 * 1024];

    /// <summary>The next portion, without "." and ".."; null at the end.</summary>
    public unsafe FileList? Next()
    {
        int length;
        fixed (byte* buffer = _buffer)
        {
            length = FileCalls.GetDents64(folder, buffer, _buffer.Length);
        }

        if (length < 0)
        {
            throw FileFailure.OfLast("list", shown);
        }

        if (length == 0)
        {
            return null;
        }

        var list = new FileList();
        for (var at = 0; at < length;)
        {
            int size = BinaryPrimitives.ReadUInt16LittleEndian(_buffer.AsSpan(at + 16));
            ReadOnlySpan<byte> name = _buffer.AsSpan(at + NameAt, size - NameAt);
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                // The type is the mode's type bits shifted down by 12.
                list.Entries.Add(new FileEntry { Name = ByteString.CopyFrom(name), Kind = FileFacts.KindOf(_buffer[at + 18] << 12) });
            }

            at += size;
        }

        return list;
    }
}
