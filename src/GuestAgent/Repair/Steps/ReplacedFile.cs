using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>Files of the guest's system that get another content: whole or not at all, with the permissions that they had.</summary>
internal static class ReplacedFile
{
    /// <summary>Gives a file another content.</summary>
    /// <param name="path">The file; a symbolic link is followed.</param>
    /// <param name="content">All of it.</param>
    /// <param name="mode">Its permissions if it is not there yet.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        var place = RealPath.Of(path) ?? path;
        try
        {
            using var file = new PendingFile(place);
            file.Stream.Write(content);
            File.SetUnixFileMode(file.Stream.SafeFileHandle, File.Exists(place) ? File.GetUnixFileMode(place) : mode);
            file.Commit();
        }
        catch (IOException e) when (e.HResult == Errno.EBUSY)
        {
            // Another file is mounted over it, as systemd does with a machine-id that is not to be kept: it has to remain that file.
            File.WriteAllBytes(place, content.ToArray());
        }
    }
}
