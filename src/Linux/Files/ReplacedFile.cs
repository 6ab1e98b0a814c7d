using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Files;

/// <summary>
/// Files that get another content, whole or not at all, with the permissions that they had. It works by the system calls alone: a stream's
/// code is more than a small program has room for.
/// </summary>
public static class ReplacedFile
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
        // Always the same name: what a killed process has left is written over.
        var temporary = place + AtomicFile.TemporarySuffix;
        try
        {
            using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                File.SetUnixFileMode(file, File.Exists(place) ? File.GetUnixFileMode(place) : mode);
                Fill(file, content);
            }

            AtomicFile.Move(temporary, place);
        }
        catch (IOException e) when (e.HResult == Errno.EBUSY)
        {
            // Another file is mounted over it, as systemd does with a machine-id that is not to be kept: it has to remain that file.
            File.Delete(temporary);
            using var file = File.OpenHandle(place, FileMode.Truncate, FileAccess.Write);
            Fill(file, content);
        }
    }

    private static unsafe void Fill(SafeFileHandle file, ReadOnlySpan<byte> content)
    {
        fixed (byte* start = content)
        {
            for (var done = 0; done < content.Length;)
            {
                var count = DescriptorCalls.PWrite(file, start + done, (nuint)(content.Length - done), done);
                if (count <= 0 && Errno.Last != Errno.EINTR)
                {
                    throw new IOException(Errno.Message(Errno.Last), Errno.Last);
                }

                done += (int)Math.Max(0, count);
            }
        }

        if (DescriptorCalls.FSync(file) != 0)
        {
            throw new IOException(Errno.Message(Errno.Last), Errno.Last);
        }
    }
}
