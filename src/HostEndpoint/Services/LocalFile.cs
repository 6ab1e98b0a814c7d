using System.Runtime.InteropServices;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>The host's own side of a copy: files with holes, modes and owners.</summary>
internal static partial class LocalFile
{
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int Enxio = 6;

    /// <summary>Opens a file to be read. A pipe or device would hold up its caller, or has no end.</summary>
    /// <exception cref="ChannelException">NotFound, PermissionDenied, FailedPrecondition: what the file system says, or that it is no regular file.</exception>
    public static unsafe SafeFileHandle OpenRegular(string path)
    {
        const int regular = 0x8000;
        var file = new SafeFileHandle(Libc.Open(path, Linux.O_NONBLOCK | Linux.O_NOCTTY | Linux.O_CLOEXEC, 0), ownsHandle: true);
        if (file.IsInvalid)
        {
            var error = Errno.Last;
            throw Failed(error switch
            {
                Errno.ENOENT or Errno.ENOTDIR => ChannelError.NotFound,
                Errno.EACCES or Errno.EPERM => ChannelError.PermissionDenied,
                _ => ChannelError.FailedPrecondition,
            }, path, Errno.Describe(error));
        }

        StatxResult facts;
        if (Libc.Statx((int)file.DangerousGetHandle(), "", Linux.AT_EMPTY_PATH, Linux.STATX_TYPE_MODE_INO, &facts) != 0 || (facts.Mode & Linux.S_IFMT) != regular)
        {
            file.Dispose();
            throw Failed(ChannelError.FailedPrecondition, path, "it is no regular file");
        }

        return file;
    }

    /// <summary>Goes through the blocks and holes of a file.</summary>
    public static BlockWalk Walk(SafeFileHandle file, long offset, long end) => new(
        at => LSeek(file, at, SeekData) is >= 0 and var data ? data : Marshal.GetLastPInvokeError() == Enxio ? long.MaxValue : at,
        at => LSeek(file, at, SeekHole) is >= 0 and var hole ? hole : long.MaxValue,
        end, offset);

    /// <summary>Reads until the buffer is full or the file ends.</summary>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        var done = 0;
        while (done < buffer.Length && RandomAccess.Read(file, buffer[done..], offset + done) is > 0 and var count)
        {
            done += count;
        }

        return done;
    }

    /// <summary>Takes the beginning of a file into a hash.</summary>
    public static ContentHash Hash(SafeFileHandle file, long length, Span<byte> buffer, CancellationToken cancellationToken)
    {
        ContentHash hash = default;
        var walk = Walk(file, 0, length);
        while (walk.TryNext(out var record))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record.Kind == FileRecordKind.Hole)
            {
                hash.AppendZeros(record.Length);
                continue;
            }

            var block = buffer[..(int)record.Length];
            block[Read(file, block, record.Offset)..].Clear();
            hash.Append(block);
        }

        return hash;
    }

    /// <summary>Writes a block; its pages of zeros are left out if the source had holes there.</summary>
    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> block, long offset, bool hasHoles)
    {
        if (!hasHoles)
        {
            RandomAccess.Write(file, block, offset);
            return;
        }

        for (var at = 0; DataRuns.TryNext(block, at, out var run); at = run.End.Value)
        {
            RandomAccess.Write(file, block[run], offset + run.Start.Value);
        }
    }

    /// <summary>Gives a file its owner and group.</summary>
    public static void SetOwner(SafeFileHandle file, uint uid, uint gid)
    {
        if (FChOwn(file, uid, gid) != 0)
        {
            throw new UnauthorizedAccessException($"cannot give it to user {uid}, group {gid}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>Owner and group of an open file.</summary>
    public static unsafe (uint Uid, uint Gid) OwnerOf(SafeFileHandle file)
    {
        var raw = stackalloc byte[256];
        byte empty = 0;
        const int atEmptyPath = 0x1000;
        const uint uidAndGid = 0x18;
        return Statx(file, &empty, atEmptyPath, uidAndGid, raw) == 0
            ? (((uint*)raw)[5], ((uint*)raw)[6])
            : throw new IOException($"cannot see its owner: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    private static ChannelException Failed(ChannelError code, string path, string why) => new(code, ErrorClass.Refused, $"on this host, {path}: {why}");

    /// <summary>What the caller is told of an error of the host's own file system.</summary>
    public static ChannelException ToException(Exception e, string path) => new(
        e is FileNotFoundException or DirectoryNotFoundException ? ChannelError.NotFound
            : e is UnauthorizedAccessException ? ChannelError.PermissionDenied
            : ChannelError.FailedPrecondition,
        ErrorClass.Refused, $"on this host, {path}: {FileFault.Describe(e)}", e);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long LSeek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    private static partial int FChOwn(SafeFileHandle file, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static unsafe partial int Statx(SafeFileHandle folder, byte* path, int flags, uint mask, byte* result);
}
