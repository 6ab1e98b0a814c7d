using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Files;

/// <summary>
/// A folder of this user's alone among the temporary files, which goes with its owner. What an owner that was killed has left is removed when
/// the next one of the kind is made: the kernel's lock on a folder ends with the process that holds it, in any container.
/// </summary>
public sealed class TemporaryFolder : IDisposable
{
    // Of a place with more of them, the rest is for the next one.
    private const int MaxSwept = 1000;
    private readonly SafeFileHandle _lock;

    private TemporaryFolder(string path, SafeFileHandle locked) => (Path, _lock) = (path, locked);

    /// <summary>Its absolute path.</summary>
    public string Path { get; }

    /// <summary>Makes one.</summary>
    /// <param name="prefix">Begins its name; only what makes such folders has it.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static TemporaryFolder Create(string prefix)
    {
        Sweep(prefix);
        while (true)
        {
            var path = Directory.CreateTempSubdirectory(prefix).FullName;
            if (TryLock(path) is { } locked)
            {
                // Another one's sweep may have been faster.
                if (Directory.Exists(path))
                {
                    return new TemporaryFolder(path, locked);
                }

                locked.Dispose();
            }
            else if (Directory.Exists(path))
            {
                throw new IOException($"the folder {path} cannot be locked: {Errno.Message(Errno.Last)}");
            }
        }
    }

    /// <summary>Removes it with all that is in it, as far as that goes.</summary>
    public void Dispose()
    {
        Remove(Path);
        _lock.Dispose();
    }

    private static void Sweep(string prefix)
    {
        try
        {
            foreach (var path in Directory.EnumerateDirectories(System.IO.Path.GetTempPath(), prefix + "*").Take(MaxSwept))
            {
                using var locked = TryLock(path);
                if (locked is not null)
                {
                    Remove(path);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is left there does no harm.
        }
    }

    // Of this user only: all users may write where temporary files are.
    private static unsafe SafeFileHandle? TryLock(string path)
    {
        var folder = new SafeFileHandle(FileCalls.Open(path, Abi.O_DIRECTORY | Abi.O_NOFOLLOW | Abi.O_CLOEXEC), ownsHandle: true);
        StatxResult facts;
        byte empty = 0;
        if (!folder.IsInvalid && FileCalls.Statx(folder, &empty, Abi.AT_EMPTY_PATH, Abi.STATX_UID, &facts) == 0 && facts.UserId == ProcessCalls.GetEUid()
            && DescriptorCalls.FLock(folder, Abi.LOCK_EX | Abi.LOCK_NB) == 0)
        {
            return folder;
        }

        folder.Dispose();
        return null;
    }

    private static void Remove(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A leftover in a folder of temporary files does no harm.
        }
    }
}
