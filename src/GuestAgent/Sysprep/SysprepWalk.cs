using System.IO.Enumeration;
using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>
/// Removes items from a system. It goes from folder to folder by open descriptors and single names, follows no link and enters no
/// mounted file system below a folder that it empties, so it stays in the system. Each step can be the last: a second run does the rest.
/// </summary>
/// <param name="root">The system's root folder.</param>
/// <param name="isDry">Only to find out what would be removed.</param>
internal sealed class SysprepWalk(SafeFileHandle root, bool isDry)
{
    // A descriptor and the buffer of a listing for each.
    private const int MaxDepth = 200;
    private const int MaxShownName = 300;

    /// <summary>Removes one item.</summary>
    public SysprepCount Remove(SysprepItem item)
    {
        var count = new SysprepCount(item);
        foreach (var place in item.Places)
        {
            Descend(root, "", place[1..].Split('/'), 0, (SysprepAction)place[0], count);
        }

        return count;
    }

    /// <summary>A path for people.</summary>
    /// <param name="folder">Already safe.</param>
    /// <param name="name">An entry of it.</param>
    public static string Show(string folder, ReadOnlySpan<byte> name) =>
        $"{folder}/{LogText.Escape(Encoding.UTF8.GetString(name.TrimEnd((byte)0)), MaxShownName)}";

    private void Descend(SafeFileHandle folder, string shown, string[] parts, int at, SysprepAction action, SysprepCount count)
    {
        if (!parts[at].Contains('*'))
        {
            Visit(folder, [.. Encoding.UTF8.GetBytes(parts[at]), 0], shown, parts, at, action, count);
            return;
        }

        try
        {
            using var listing = PathOpener.OpenEntry(folder, ".\0"u8, Abi.O_RDONLY | Abi.O_DIRECTORY, shown);
            var reader = new FolderReader(listing, shown);
            while (reader.Next() is { } list)
            {
                foreach (var entry in list.Entries)
                {
                    if (FileSystemName.MatchesSimpleExpression(parts[at], Encoding.UTF8.GetString(entry.Name.Span), ignoreCase: false))
                    {
                        Visit(folder, [.. entry.Name.Span, 0], shown, parts, at, action, count);
                    }
                }
            }
        }
        catch (FileException e)
        {
            count.Fail(e.Message);
        }
    }

    private void Visit(SafeFileHandle folder, byte[] name, string shown, string[] parts, int at, SysprepAction action, SysprepCount count)
    {
        try
        {
            if (!FileFacts.TryOfEntry(folder, name, shown, out var facts))
            {
                return;
            }

            if (at == parts.Length - 1)
            {
                Apply(folder, name, shown, facts, action, count);
            }
            else if (IsFolder(facts))
            {
                using var next = OpenFolder(folder, name, shown);
                Descend(next, Show(shown, name), parts, at + 1, action, count);
            }
            else if (IsLink(facts))
            {
                count.AddLink(shown, name);
            }
        }
        catch (FileException e)
        {
            count.Fail(e.Message);
        }
    }

    private void Apply(SafeFileHandle folder, byte[] name, string shown, in StatxResult facts, SysprepAction action, SysprepCount count)
    {
        switch (action)
        {
            case SysprepAction.Empty when IsRegular(facts):
                Empty(folder, name, shown, facts, count);
                break;
            case SysprepAction.RemoveContent or SysprepAction.RemoveFiles when IsFolder(facts):
                using (var content = OpenFolder(folder, name, shown))
                {
                    RemoveAll(content, Show(shown, name), facts, action, depth: 1, count);
                }

                break;
            case SysprepAction.Remove:
            case SysprepAction.RemoveRegular when IsRegular(facts):
                RemoveEntry(folder, name, shown, facts, facts, action, depth: 0, count);
                break;
            case not SysprepAction.RemoveRegular when IsLink(facts):
                count.AddLink(shown, name);
                break;
        }
    }

    private void Empty(SafeFileHandle folder, byte[] name, string shown, in StatxResult facts, SysprepCount count)
    {
        if (facts.Size == 0)
        {
            return;
        }

        if (!isDry)
        {
            // A mount on it, as systemd's of an id that is not on the disk, would hide the file that is meant.
            if (facts.IsMountRoot)
            {
                throw FileFailure.Of(Errno.EBUSY, "empty", Show(shown, name));
            }

            using var file = PathOpener.OpenEntry(folder, name, Abi.O_WRONLY | Abi.O_NONBLOCK, Show(shown, name));
            if (DescriptorCalls.FTruncate(file, 0) != 0 || DescriptorCalls.FSync(file) != 0)
            {
                throw FileFailure.OfLast("empty", Show(shown, name));
            }
        }

        count.Add((long)facts.Blocks512 * 512, shown, name);
    }

    private void RemoveAll(SafeFileHandle folder, string shown, in StatxResult top, SysprepAction action, int depth, SysprepCount count)
    {
        var reader = new FolderReader(folder, shown);
        while (reader.Next() is { } list)
        {
            foreach (var entry in list.Entries)
            {
                byte[] name = [.. entry.Name.Span, 0];
                if (action == SysprepAction.RemoveFiles && depth == 1 && entry.Name.Span.SequenceEqual("journal"u8))
                {
                    // Its content is another place.
                    continue;
                }

                try
                {
                    if (FileFacts.TryOfEntry(folder, name, shown, out var facts))
                    {
                        RemoveEntry(folder, name, shown, facts, top, action, depth, count);
                    }
                }
                catch (FileException e)
                {
                    count.Fail(e.Message);
                }
            }
        }
    }

    private unsafe void RemoveEntry(SafeFileHandle folder, byte[] name, string shown, in StatxResult facts, in StatxResult top, SysprepAction action, int depth, SysprepCount count)
    {
        var isFolder = IsFolder(facts);
        if (isFolder)
        {
            if (facts.IsMountRoot || (facts.DeviceMajor, facts.DeviceMinor) != (top.DeviceMajor, top.DeviceMinor))
            {
                throw FileFailure.Of(Errno.EBUSY, "remove", Show(shown, name));
            }

            if (depth == MaxDepth)
            {
                count.Fail($"cannot remove {Show(shown, name)}: it lies more than {MaxDepth} folders deep; remove it by 'rm -r'");
                return;
            }

            var before = count.FailureCount;
            using (var content = OpenFolder(folder, name, shown))
            {
                RemoveAll(content, Show(shown, name), top, action, depth + 1, count);
            }

            // That it is not empty then is told already.
            if (action == SysprepAction.RemoveFiles || count.FailureCount != before)
            {
                return;
            }
        }

        fixed (byte* bytes = name)
        {
            if (!isDry && FileCalls.UnlinkAt(folder, bytes, isFolder ? Abi.AT_REMOVEDIR : 0) != 0)
            {
                if (Errno.Last == Errno.ENOENT)
                {
                    return;
                }

                throw FileFailure.OfLast("remove", Show(shown, name));
            }
        }

        count.Add((long)facts.Blocks512 * 512, shown, name);
    }

    private static SafeFileHandle OpenFolder(SafeFileHandle folder, byte[] name, string shown) =>
        PathOpener.OpenEntry(folder, name, Abi.O_RDONLY | Abi.O_DIRECTORY, Show(shown, name));

    private static bool IsFolder(in StatxResult facts) => (facts.Mode & Abi.S_IFMT) == Abi.S_IFDIR;

    private static bool IsRegular(in StatxResult facts) => (facts.Mode & Abi.S_IFMT) == Abi.S_IFREG;

    private static bool IsLink(in StatxResult facts) => (facts.Mode & Abi.S_IFMT) == Abi.S_IFLNK;
}
