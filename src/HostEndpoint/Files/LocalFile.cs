using System.Runtime.InteropServices;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Files;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Files;

/// <summary>The host's own side of a copy: files with holes, modes and owners.</summary>
public static class LocalFile
{
    /// <summary>Opens a file to be read. A pipe or device would hold up its caller, or has no end.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.FailedPrecondition"/>: what the file system says, or that it is no regular file.</exception>
    public static SafeFileHandle OpenRegular(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var file = new SafeFileHandle(FileCalls.Open(path, Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC, 0), ownsHandle: true);
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

        if (FileIdentity.Of((int)file.DangerousGetHandle()) is not { IsRegular: true })
        {
            file.Dispose();
            throw Failed(ChannelError.FailedPrecondition, path, "it is no regular file");
        }

        return file;
    }

    /// <summary>Goes through the blocks and holes of a file.</summary>
    internal static BlockWalk Walk(SafeFileHandle file, long offset, long end) => new(
        at => DescriptorCalls.LSeek(file, at, Abi.SEEK_DATA) is >= 0 and var data ? data : Errno.Last == Errno.ENXIO ? long.MaxValue : at,
        at => DescriptorCalls.LSeek(file, at, Abi.SEEK_HOLE) is >= 0 and var hole ? hole : long.MaxValue,
        end, offset);

    /// <summary>Reads until the buffer is full or the file ends.</summary>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        ArgumentNullException.ThrowIfNull(file);
        var done = 0;
        while (done < buffer.Length && RandomAccess.Read(file, buffer[done..], offset + done) is > 0 and var count)
        {
            done += count;
        }

        return done;
    }

    /// <summary>Takes the beginning of a file into a hash.</summary>
    internal static ContentHash Hash(SafeFileHandle file, long length, Span<byte> buffer, CancellationToken cancellationToken) =>
        ContentHash.Of(Walk(file, 0, length), (block, at) => Read(file, block, at), buffer, cancellationToken);

    /// <summary>Writes a block; its pages of zeros are left out if the source had holes there.</summary>
    internal static void Write(SafeFileHandle file, ReadOnlySpan<byte> block, long offset, bool hasHoles)
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

    /// <summary>Copies a regular file with its holes to a new one, which its owner alone can use, and flushes it. When this throws, there is no new one.</summary>
    /// <exception cref="ChannelException">As <see cref="OpenRegular"/>; or why the new one cannot be written.</exception>
    public static void Copy(string source, string target, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        using var from = OpenRegular(source);
        try
        {
            using var to = new FileStream(target, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            try
            {
                CopyBlocks(from, to.SafeFileHandle, cancellationToken);
            }
            catch
            {
                File.Delete(target);
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ToException(e, target);
        }
    }

    /// <summary>Gives a file its owner and group.</summary>
    public static void SetOwner(SafeFileHandle file, uint uid, uint gid)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (DescriptorCalls.FChOwn(file, uid, gid) != 0)
        {
            throw new UnauthorizedAccessException($"cannot give it to user {uid}, group {gid}: {Errno.Message(Errno.Last)}");
        }
    }

    /// <summary>Owner and group of an open file.</summary>
    public static unsafe (uint Uid, uint Gid) OwnerOf(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        StatxResult facts;
        byte empty = 0;
        return FileCalls.Statx(file, &empty, Abi.AT_EMPTY_PATH, Abi.STATX_UID | Abi.STATX_GID, &facts) == 0
            ? (facts.UserId, facts.GroupId)
            : throw new IOException($"cannot see its owner: {Errno.Message(Errno.Last)}");
    }

    private static void CopyBlocks(SafeFileHandle from, SafeFileHandle to, CancellationToken cancellationToken)
    {
        var (size, block) = (RandomAccess.GetLength(from), new byte[ContentHash.BlockSize]);
        for (var walk = Walk(from, 0, size); walk.TryNext(out var record);)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record.Kind == FileRecordKind.Data)
            {
                Write(to, block.AsSpan(0, Read(from, block.AsSpan(0, (int)record.Length), record.Offset)), record.Offset, hasHoles: true);
            }
        }

        RandomAccess.SetLength(to, size);
        RandomAccess.FlushToDisk(to);
    }

    private static ChannelException Failed(ChannelError code, string path, string why) => new(code, ErrorClass.Refused, $"on this host, {path}: {why}");

    /// <summary>The error for a failure of the host's own file system.</summary>
    public static ChannelException ToException(Exception e, string path)
    {
        ArgumentNullException.ThrowIfNull(e);
        ArgumentNullException.ThrowIfNull(path);
        return new(
        e is FileNotFoundException or DirectoryNotFoundException ? ChannelError.NotFound
            : e is UnauthorizedAccessException ? ChannelError.PermissionDenied
            : ChannelError.FailedPrecondition,
        ErrorClass.Refused, $"on this host, {path}: {FileFault.Describe(e)}", e);
    }
}
