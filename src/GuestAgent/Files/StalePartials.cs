using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Removes what transfers left that nobody came back for: an agent that was killed could not.</summary>
internal static class StalePartials
{
    // A folder with more entries is not searched to its end: a copy into it must not take longer for that.
    private const int MaxEntries = 10_000;
    private static readonly TimeSpan s_age = TimeSpan.FromDays(1);

    /// <summary>Looks through a folder that is about to be written to.</summary>
    public static void Remove(SafeFileHandle folder, string shown, TimeProvider time)
    {
        long oldest = (time.GetUtcNow() - s_age - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        using SafeFileHandle listing = Reopen(folder, shown);
        var reader = new FolderReader(listing, shown);
        int seen = 0;
        while (seen < MaxEntries && reader.Next() is { } entries)
        {
            seen += entries.Entries.Count;
            foreach (FileEntry entry in entries.Entries)
            {
                if (PartialFile.IsName(entry.Name.Span))
                {
                    RemoveIfOld(folder, [.. entry.Name.Span, 0], shown, oldest);
                }
            }
        }
    }

    private static unsafe void RemoveIfOld(SafeFileHandle folder, byte[] name, string shown, long oldest)
    {
        if (FileFacts.OfEntry(folder, name, shown) is { Kind: FileKind.Regular } facts
            && facts.Uid == FileCalls.GetEffectiveUser() && facts.ModifiedUnixNs < oldest)
        {
            fixed (byte* bytes = name)
            {
                _ = FileCalls.UnlinkAt(folder, bytes, 0);
            }
        }
    }

    private static unsafe SafeFileHandle Reopen(SafeFileHandle folder, string shown)
    {
        fixed (byte* self = ".\0"u8)
        {
            int fd = FileCalls.OpenAt(folder, self, FileCalls.ReadOnly | FileCalls.Folder | FileCalls.CloseOnExec, 0);
            return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("list", shown);
        }
    }
}
