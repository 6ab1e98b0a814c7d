using ChannelSdk.Linux.Native;
using ChannelSdk.Services.Files;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>Reads a regular file's blocks and holes, and its hash.</summary>
internal static class SparseFile
{
    /// <summary>Goes through the blocks and holes of a range.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="offset">Where to begin, a multiple of the block size.</param>
    /// <param name="end">Where to stop.</param>
    public static BlockWalk Walk(SafeFileHandle file, long offset, long end) => new(
        // No data behind an offset is an error (ENXIO); a file system without holes gives the offset itself.
        at => DescriptorCalls.LSeek(file, at, Abi.SEEK_DATA) is >= 0 and var data ? data
            : Errno.Last == Errno.ENXIO ? long.MaxValue : at,
        at => DescriptorCalls.LSeek(file, at, Abi.SEEK_HOLE) is >= 0 and var hole ? hole : long.MaxValue,
        end, offset);

    /// <summary>Reads from an offset until the buffer is full or the file ends.</summary>
    /// <returns>Bytes read.</returns>
    public static unsafe int Read(SafeFileHandle file, Span<byte> buffer, long offset, string shown)
    {
        var done = 0;
        while (done < buffer.Length)
        {
            nint count;
            fixed (byte* bytes = buffer[done..])
            {
                count = DescriptorCalls.PRead(file, bytes, (nuint)(buffer.Length - done), offset + done);
            }

            if (count == 0)
            {
                break;
            }

            if (count < 0 && Errno.Last != Errno.EINTR)
            {
                throw FileFailure.OfLast("read", shown);
            }

            done += (int)Math.Max(0, count);
        }

        return done;
    }

    /// <summary>Takes the beginning of a file into a hash.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="length">How much of it.</param>
    /// <param name="buffer">At least one block.</param>
    /// <param name="shown">Its path, for messages.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static ContentHash Hash(SafeFileHandle file, long length, Span<byte> buffer, string shown, CancellationToken cancellationToken) =>
        ContentHash.Of(Walk(file, 0, length), (block, at) => Read(file, block, at, shown), buffer, cancellationToken);
}
