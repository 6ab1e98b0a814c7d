using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>
/// The first pass over an archive: each entry is held against the entries before it and against the installed system, so
/// that nothing is laid down of an archive that is refused for one of them.
/// </summary>
/// <param name="tree">The installed system.</param>
/// <param name="limit">Bytes that the archive's files may have in all.</param>
internal sealed class OverlayPlan(OverlayTree tree, long limit)
{
    // With their names they fit the agent's heap several times.
    private const int MaxEntries = 65_536;
    private const int MaxNameBytes = 4 << 20;
    private const int BlockBytes = 4096;
    private readonly Dictionary<byte[], TarKind> _made = new(ByteNames.Comparer);
    private int _nameBytes;

    /// <summary>Entries that were checked.</summary>
    public int Entries { get; private set; }

    /// <summary>Of the files.</summary>
    public long Bytes { get; private set; }

    /// <summary>Room that files and entries take at most.</summary>
    public long Room { get; private set; }

    /// <summary>Files and folders that are made at most.</summary>
    public int Files => _made.Count;

    /// <summary>Checks the next entry.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> or <see cref="ChannelError.ResourceExhausted"/>, with the entry's name.</exception>
    public void Add(TarEntry entry)
    {
        if (++Entries > MaxEntries)
        {
            throw ArchiveFailure.Entry(entry.Name, $"an archive has at most {MaxEntries} entries", ChannelError.ResourceExhausted);
        }

        if (entry.Size > limit - Bytes)
        {
            throw ArchiveFailure.Entry(entry.Name, $"with it, the files have more than {limit} bytes, for which there is room or which are allowed", ChannelError.ResourceExhausted);
        }

        Bytes += entry.Size;
        Room += (entry.Size + 2 * BlockBytes - 1) / BlockBytes * BlockBytes;
        if (entry.Name.Length == 0)
        {
            return;
        }

        CheckFolders(entry);
        CheckTarget(entry);
        if (entry.Kind == TarKind.HardLink && !(_made.TryGetValue(entry.LinkTarget, out var other) && other == TarKind.File))
        {
            throw ArchiveFailure.Entry(entry.Name, $"it is another name of '{ArchiveFailure.Show(entry.LinkTarget)}', which is no file that comes before it in the archive");
        }

        Note(entry.Name, entry.Kind == TarKind.HardLink ? TarKind.File : entry.Kind);
    }

    /// <summary>Each part of the name before the last is a folder, or will be made.</summary>
    private void CheckFolders(TarEntry entry)
    {
        for (var slash = entry.Name.AsSpan().IndexOf((byte)'/'); slash >= 0; slash = Next(entry.Name, slash))
        {
            ReadOnlySpan<byte> folder = entry.Name.AsSpan(0, slash);
            if (_made.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(folder, out var kind))
            {
                if (kind != TarKind.Folder)
                {
                    var what = kind == TarKind.SymbolicLink ? "a symbolic link" : "a file";
                    throw ArchiveFailure.Entry(entry.Name, $"it leads through '{ArchiveFailure.Show(folder)}', which is {what} of the same archive");
                }

                continue;
            }

            if (Existing(entry, folder) is not null && !IsFolder(entry, folder))
            {
                throw ArchiveFailure.Entry(entry.Name, $"'{ArchiveFailure.Show(folder)}' is no folder in the installed system");
            }

            Note(folder.ToArray(), TarKind.Folder);
        }
    }

    /// <summary>A folder stays a folder, and nothing else becomes one.</summary>
    private void CheckTarget(TarEntry entry)
    {
        var isFolder = entry.Kind == TarKind.Folder;
        if (_made.TryGetValue(entry.Name, out var earlier))
        {
            if (isFolder != (earlier == TarKind.Folder))
            {
                throw ArchiveFailure.Entry(entry.Name, "it is a folder in one place of the archive and something else in another");
            }

            return;
        }

        var existing = Existing(entry, entry.Name);
        if (existing is not null && isFolder && !IsFolder(entry, entry.Name))
        {
            throw ArchiveFailure.Entry(entry.Name, "it is a folder, and no folder in the installed system");
        }

        if (existing == FileKind.Folder && !isFolder)
        {
            throw ArchiveFailure.Entry(entry.Name, "it is a folder in the installed system");
        }
    }

    private FileKind? Existing(TarEntry entry, ReadOnlySpan<byte> name)
    {
        try
        {
            return tree.KindOf(name);
        }
        catch (ChannelException e)
        {
            throw ArchiveFailure.Entry(entry.Name, e.Message, e.Code);
        }
    }

    // A link that leads in a circle or nowhere is no folder.
    private bool IsFolder(TarEntry entry, ReadOnlySpan<byte> name)
    {
        try
        {
            return tree.IsFolder(name);
        }
        catch (ChannelException e)
        {
            throw ArchiveFailure.Entry(entry.Name, e.Message, e.Code);
        }
    }

    private void Note(byte[] name, TarKind kind)
    {
        _nameBytes += name.Length;
        if (_nameBytes > MaxNameBytes || _made.Count > MaxEntries)
        {
            throw ArchiveFailure.Entry(name, $"an archive makes at most {MaxEntries} files and folders, whose names have at most {MaxNameBytes} bytes", ChannelError.ResourceExhausted);
        }

        _made[name] = kind;
    }

    private static int Next(byte[] name, int slash) => name.AsSpan(slash + 1).IndexOf((byte)'/') is >= 0 and var next ? slash + 1 + next : -1;
}
