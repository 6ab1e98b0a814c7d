using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>Files that are there whole or not at all, whenever the process or the machine stops.</summary>
public static class AtomicFile
{
    public const string TemporarySuffix = ".tmp";

    /// <summary>Writes a file beside its place, flushes it, and renames it into place.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        using var file = new PendingFile(path);
        file.Stream.Write(content);
        file.Commit();
    }

    /// <summary>Gives a file another name in its folder, at once; what had that name is gone.</summary>
    public static void Move(string from, string to)
    {
        File.Move(from, to, overwrite: true);
        Sync(Path.GetDirectoryName(to)!);
    }

    /// <summary>Removes a file for good.</summary>
    public static void Delete(string path)
    {
        File.Delete(path);
        Sync(Path.GetDirectoryName(path)!);
    }

    // A rename is safe only when the directory is on disk too, which FileStream cannot open.
    internal static void Sync(string folder)
    {
        using var fd = new SafeFd(FileCalls.Open(folder, Abi.O_DIRECTORY | Abi.O_CLOEXEC));
        if (fd.IsInvalid || DescriptorCalls.FSync(fd) != 0)
        {
            throw new IOException($"cannot flush the directory {folder}: {Errno.Message(Errno.Last)}");
        }
    }
}
