using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Removes the files of transfers that were not resumed: a killed agent could not.</summary>
internal static class StalePartials
{
    // A folder with more entries is not searched to its end: a copy into it must not take longer for that.
    private const int MaxEntries = 10_000;
    private static readonly TimeSpan s_age = TimeSpan.FromDays(1);

    /// <summary>Looks through a folder that is about to be written to.</summary>
    public static void Remove(SafeFileHandle folder, string shown, TimeProvider time)
    {
        var oldest = (time.GetUtcNow() - s_age - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        using var listing = Reopen(folder, shown);
        var reader = new FolderReader(listing, shown);
        var seen = 0;
        while (seen < MaxEntries && reader.Next() is { } entries)
        {
            seen += entries.Entries.Count;
            foreach (var entry in entries.Entries)
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
            && facts.Uid == ProcessCalls.GetEUid() && facts.ModifiedUnixNs < oldest)
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
            var fd = FileCalls.OpenAt(folder, self, Abi.O_RDONLY | Abi.O_DIRECTORY | Abi.O_CLOEXEC, 0);
            return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("list", shown);
        }
    }
}
