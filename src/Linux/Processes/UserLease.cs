using System.Globalization;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// One user of a range, which no other program of this machine has meanwhile: the kernel's lock on a file with its number. A process that is
/// to outlive this one has the file open too, so the lock ends with the last of them.
/// </summary>
public sealed class UserLease : IDisposable
{
    private const uint OwnerOnly = 0x180;

    private UserLease(uint user, string path, SafeFileHandle file) => (User, Path, File) = (user, path, file);

    /// <summary>The user, and its group.</summary>
    public uint User { get; }

    /// <summary>The open file.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Takes a user that is free.</summary>
    /// <param name="range">Those that may be taken.</param>
    /// <param name="folder">Where the files are, the same for all programs of this machine.</param>
    /// <param name="begin">A number by which the search begins, so that a user comes back late.</param>
    /// <returns>Null if all are taken.</returns>
    /// <exception cref="IOException">The folder or a file in it, which the text names, cannot be used.</exception>
    public static UserLease? Take(UserRange range, string folder, uint begin)
    {
        try
        {
            PublicFolder.Ensure(System.IO.Path.GetDirectoryName(folder)!);
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: {FileFault.Describe(e)}", e);
        }

        for (uint i = 0; i < range.Count; i++)
        {
            var user = range.First + (uint)(((ulong)begin + i) % range.Count);
            var path = System.IO.Path.Combine(folder, user.ToString(CultureInfo.InvariantCulture));
            if (TryTake(path) is { } file)
            {
                return new UserLease(user, path, file);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!File.IsClosed)
        {
            // While it is locked: who opens the file from now on makes a new one.
            _ = FileCalls.Unlink(Path);
            File.Dispose();
        }
    }

    private static SafeFileHandle? TryTake(string path)
    {
        // Not to be written, as the program that has the user may be given it.
        var number = FileCalls.Open(path, Abi.O_RDONLY | Abi.O_CREAT | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, OwnerOnly);
        if (number < 0)
        {
            throw new IOException($"{path}: {Errno.Describe(Errno.Last)}");
        }

        var file = new SafeFileHandle(number, ownsHandle: true);
        // One that was removed before it was locked bounds nothing any more.
        if (DescriptorCalls.FLock(file, Abi.LOCK_EX | Abi.LOCK_NB) == 0 && FileIdentity.Of(number) == FileIdentity.Of(path))
        {
            return file;
        }

        file.Dispose();
        return null;
    }
}
