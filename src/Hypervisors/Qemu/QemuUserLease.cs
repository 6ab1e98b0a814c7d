using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// One user of a range, which no other QEMU of this machine has meanwhile: the kernel's lock on a file with its number. The guard of
/// the QEMU has the file open too, so the lock outlives this process until QEMU was killed, and then removes the file.
/// </summary>
internal sealed class QemuUserLease : IDisposable
{
    private QemuUserLease(uint user, string path, SafeFileHandle file) => (User, Path, File) = (user, path, file);

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
    /// <exception cref="ChannelException"><see cref="ChannelError.ResourceExhausted"/>: all are taken. <see cref="ChannelError.BadConfiguration"/>: the folder cannot be used.</exception>
    public static QemuUserLease Take(UserRange range, string folder, uint begin)
    {
        try
        {
            PublicFolder.Ensure(System.IO.Path.GetDirectoryName(folder)!);
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(folder, FileFault.Describe(e));
        }

        for (uint i = 0; i < range.Count; i++)
        {
            var user = range.First + (uint)(((ulong)begin + i) % range.Count);
            var path = System.IO.Path.Combine(folder, user.ToString(CultureInfo.InvariantCulture));
            if (TryTake(path) is { } file)
            {
                return new QemuUserLease(user, path, file);
            }
        }

        throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"all users of the range {range} are taken by other appliances; wait, or widen the range");
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
        var number = FileCalls.Open(path, Abi.O_RDWR | Abi.O_CREAT | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0x180);
        if (number < 0)
        {
            throw Refused(path, Errno.Describe(Errno.Last));
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

    private static ChannelException Refused(string path, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"no user can be had for an appliance's QEMU by {path}: {why}");
}
