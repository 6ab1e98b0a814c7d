using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>The second pass: lays down the entries of an archive that was checked.</summary>
/// <param name="tree">The installed system.</param>
internal sealed unsafe class OverlayWriter(OverlayTree tree)
{
    private const uint NewFolderMode = 0x1ED;
    private readonly List<Facts> _folders = [];
    private readonly byte[] _buffer = new byte[64 << 10];

    /// <summary>Lays down an entry.</summary>
    /// <param name="entry">A checked one.</param>
    /// <param name="content">The archive, at the entry's content.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public void Write(TarEntry entry, TarReader content)
    {
        if (entry.Name.Length == 0)
        {
            // The root is the installed system's.
            return;
        }

        MakeFolders(ArchivePath.Parent(entry.Name));
        if (entry.Kind == TarKind.Folder)
        {
            MakeFolder(entry.Name);
            _folders.Add(Facts.Of(entry));
            return;
        }

        using var folder = tree.OpenFolder(ArchivePath.Parent(entry.Name));
        var last = Last(entry.Name);
        fixed (byte* name = last)
        {
            if (FileCalls.UnlinkAt(folder, name, 0) != 0 && Errno.Last != Errno.ENOENT)
            {
                throw Failed("replace", entry);
            }

            switch (entry.Kind)
            {
                case TarKind.File:
                    WriteFile(entry, content, folder, name);
                    break;
                case TarKind.SymbolicLink:
                    WriteLink(entry, folder, name);
                    break;
                default:
                    using (var other = tree.OpenFolder(ArchivePath.Parent(entry.LinkTarget)))
                    {
                        fixed (byte* otherName = Last(entry.LinkTarget))
                        {
                            Require(FileCalls.LinkAt(other, otherName, folder, name, 0), "make", entry);
                        }
                    }

                    break;
            }
        }
    }

    /// <summary>Gives folders their modes, owners and times, when nothing more is put into them; the inner ones first.</summary>
    public void Finish()
    {
        for (var i = _folders.Count - 1; i >= 0; i--)
        {
            using var folder = tree.OpenFolder(_folders[i].Name);
            _folders[i].Set(folder);
        }
    }

    private void WriteFile(TarEntry entry, TarReader content, SafeFileHandle folder, byte* name)
    {
        var flags = Abi.O_WRONLY | Abi.O_CREAT | Abi.O_EXCL | Abi.O_NOFOLLOW | Abi.O_CLOEXEC;
        var fd = FileCalls.OpenAt(folder, name, flags, 0x180);
        if (fd < 0)
        {
            throw Failed("make", entry);
        }

        using var file = new SafeFileHandle(fd, ownsHandle: true);
        long offset = 0;
        for (var length = content.Read(_buffer); length > 0; length = content.Read(_buffer))
        {
            fixed (byte* start = _buffer)
            {
                for (var done = 0; done < length;)
                {
                    var count = DescriptorCalls.PWrite(file, start + done, (nuint)(length - done), offset);
                    if (count < 0 && Errno.Last != Errno.EINTR)
                    {
                        throw Failed("write", entry);
                    }

                    done += (int)Math.Max(0, count);
                    offset += Math.Max(0, count);
                }
            }
        }

        Facts.Of(entry).Set(file);
    }

    private static void WriteLink(TarEntry entry, SafeFileHandle folder, byte* name)
    {
        fixed (byte* target = (byte[])[.. entry.LinkTarget, 0])
        {
            Require(FileCalls.SymLinkAt(target, folder, name), "make", entry);
        }

        var times = stackalloc TimeSpec[2];
        Facts.Of(entry).SetTimes(times);
        Require(FileCalls.FChOwnAt(folder, name, entry.Uid, entry.Gid, Abi.AT_SYMLINK_NOFOLLOW), "give away", entry);
        Require(FileCalls.UTimeNsAt(folder, name, times, Abi.AT_SYMLINK_NOFOLLOW), "set the time of", entry);
    }

    private void MakeFolders(ReadOnlySpan<byte> name)
    {
        if (!name.IsEmpty && !tree.IsFolder(name))
        {
            MakeFolders(ArchivePath.Parent(name));
            MakeFolder(name);
        }
    }

    private void MakeFolder(ReadOnlySpan<byte> name)
    {
        if (tree.IsFolder(name))
        {
            return;
        }

        using var folder = tree.OpenFolder(ArchivePath.Parent(name));
        fixed (byte* last = Last(name))
        {
            if (FileCalls.MkDirAt(folder, last, NewFolderMode) != 0)
            {
                throw FileFailure.OfLast("make the folder", ArchiveFailure.Show(name));
            }
        }
    }

    private static byte[] Last(ReadOnlySpan<byte> name) => [.. ArchivePath.Last(name), 0];

    private static void Require(int result, string action, TarEntry entry)
    {
        if (result != 0)
        {
            throw Failed(action, entry);
        }
    }

    private static FileException Failed(string action, TarEntry entry) => FileFailure.OfLast(action, $"'{ArchiveFailure.Show(entry.Name)}'");

    /// <summary>The attributes that are set when a file or folder is done; small, as there may be many folders.</summary>
    private readonly record struct Facts(byte[] Name, uint Mode, uint Uid, uint Gid, long Seconds, uint Nanoseconds)
    {
        public static Facts Of(TarEntry entry) => new(entry.Name, entry.Mode, entry.Uid, entry.Gid, entry.Seconds, entry.Nanoseconds);

        public void Set(SafeFileHandle file)
        {
            var times = stackalloc TimeSpec[2];
            SetTimes(times);
            // The mode after the owner: a change of the owner takes set-user-ID away.
            if (DescriptorCalls.FChOwn(file, Uid, Gid) != 0 || DescriptorCalls.FChMod(file, Mode) != 0 || DescriptorCalls.FUTimeNs(file, times) != 0)
            {
                throw FileFailure.OfLast("set the owner, mode or time of", $"'{ArchiveFailure.Show(Name)}'");
            }
        }

        public void SetTimes(TimeSpec* times)
        {
            times[0] = new TimeSpec { Nanoseconds = Abi.UTIME_OMIT };
            times[1] = new TimeSpec { Seconds = Seconds, Nanoseconds = Nanoseconds };
        }
    }
}
