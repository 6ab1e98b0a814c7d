using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>
/// A file on its way in, beside its destination under another name. Its length tells how far it has come, so nothing
/// else needs to be recorded. Locked while a stream writes it.
/// </summary>
internal sealed class PartialFile : IDisposable
{
    public const int TransferBytes = 16;
    private const string Prefix = ".channel-";
    private const string Suffix = ".part";

    private readonly SafeFileHandle _folder;
    private readonly byte[] _name;
    private readonly string _shown;
    private long _length;

    private PartialFile(SafeFileHandle folder, SafeFileHandle file, byte[] name, string shown) =>
        (_folder, File, _name, _shown) = (folder, file, name, shown);

    /// <summary>The open file.</summary>
    public SafeFileHandle File { get; }

    /// <summary>The name of a transfer's file, with a terminating zero.</summary>
    public static byte[] NameOf(ReadOnlySpan<byte> transfer) =>
        Encoding.ASCII.GetBytes($"{Prefix}{Convert.ToHexStringLower(transfer)}{Suffix}\0");

    /// <summary>Whether a file's name is one of a transfer.</summary>
    public static bool IsName(ReadOnlySpan<byte> name) =>
        name.Length == Prefix.Length + 2 * TransferBytes + Suffix.Length
        && name.StartsWith(".channel-"u8) && name.EndsWith(".part"u8);

    /// <summary>Makes the file of a new transfer.</summary>
    public static unsafe PartialFile Create(SafeFileHandle folder, ReadOnlySpan<byte> transfer, string shown)
    {
        var name = NameOf(transfer);
        fixed (byte* bytes = name)
        {
            var flags = Abi.O_RDWR | Abi.O_CREAT | Abi.O_EXCL | Abi.O_NOFOLLOW | Abi.O_CLOEXEC;
            var fd = FileCalls.OpenAt(folder, bytes, flags, 0x180);
            if (fd < 0)
            {
                throw FileFailure.OfLast("write beside", shown);
            }

            var partial = new PartialFile(folder, new SafeFileHandle(fd, ownsHandle: true), name, shown);
            _ = DescriptorCalls.FLock(partial.File, Abi.LOCK_EX | Abi.LOCK_NB);
            return partial;
        }
    }

    /// <summary>Opens the file that an earlier stream of the transfer left, or gives null if there is none.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.ResourceExhausted"/> (retry) while that stream still has it.</exception>
    public static unsafe PartialFile? Reopen(SafeFileHandle folder, ReadOnlySpan<byte> transfer, string shown)
    {
        var name = NameOf(transfer);
        fixed (byte* bytes = name)
        {
            var fd = FileCalls.OpenAt(folder, bytes, Abi.O_RDWR | Abi.O_NOFOLLOW | Abi.O_NONBLOCK | Abi.O_CLOEXEC, 0);
            if (fd < 0)
            {
                return Errno.Last == Errno.ENOENT ? null : throw FileFailure.OfLast("go on with", shown);
            }

            var partial = new PartialFile(folder, new SafeFileHandle(fd, ownsHandle: true), name, shown);
            try
            {
                if (DescriptorCalls.FLock(partial.File, Abi.LOCK_EX | Abi.LOCK_NB) != 0)
                {
                    throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"an earlier stream of this transfer still writes {shown}");
                }

                var raw = FileFacts.Raw(partial.File, shown);
                if (FileFacts.KindOf(raw.Mode) != FileKind.Regular || raw.UserId != ProcessCalls.GetEUid() || raw.Links > 1)
                {
                    throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"what lies beside {shown} under the transfer's name is not the agent's");
                }

                partial._length = (long)raw.Size;
                return raw.Links == 1 ? partial : Gone(partial);
            }
            catch
            {
                partial.Dispose();
                throw;
            }
        }
    }

    /// <summary>How far it has come: whole blocks, or the whole size.</summary>
    public long KeepWhole(long size)
    {
        var whole = _length == size ? size : _length < size ? _length - _length % ContentHash.BlockSize : 0;
        SetLength(whole);
        return whole;
    }

    /// <summary>Writes a block at an offset.</summary>
    /// <param name="block">Its bytes.</param>
    /// <param name="offset">Where.</param>
    /// <param name="hasHoles">Leaves pages of zeros out.</param>
    public void Write(ReadOnlySpan<byte> block, long offset, bool hasHoles)
    {
        if (!hasHoles)
        {
            WriteRun(block, offset);
            return;
        }

        for (var at = 0; DataRuns.TryNext(block, at, out var run); at = run.End.Value)
        {
            WriteRun(block[run], offset + run.Start.Value);
        }

        Extend(offset + block.Length);
    }

    /// <summary>Makes it longer by a hole.</summary>
    public void Extend(long length)
    {
        if (length > _length)
        {
            SetLength(length);
        }
    }

    /// <summary>Puts it in the destination's place, whole and on the disk.</summary>
    /// <param name="name">The destination's name in the folder, with a terminating zero.</param>
    /// <param name="overwrite">Whether it may replace a file.</param>
    public unsafe void Commit(ReadOnlySpan<byte> name, bool overwrite)
    {
        Require(DescriptorCalls.FSync(File), "write");
        fixed (byte* from = _name, to = name)
        {
            Require(FileCalls.RenameAt2(_folder, from, to, overwrite ? 0 : Abi.RENAME_NOREPLACE), "put in place");
        }
        // The name is on the disk too, once this is done; file systems that cannot do it say EINVAL.
        _ = DescriptorCalls.FSync(_folder);
    }

    /// <summary>Removes it.</summary>
    public unsafe void Discard()
    {
        fixed (byte* name = _name)
        {
            _ = FileCalls.UnlinkAt(_folder, name, 0);
        }
    }

    /// <summary>Closes it; what was written stays.</summary>
    public void Dispose()
    {
        if (!File.IsClosed)
        {
            // A program that is being started has the file too until its execve, and with it a lock that is not let go (flock(2)).
            _ = DescriptorCalls.FLock(File, Abi.LOCK_UN);
            File.Dispose();
        }
    }

    private unsafe void WriteRun(ReadOnlySpan<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            nint count;
            fixed (byte* start = bytes)
            {
                count = DescriptorCalls.PWrite(File, start, (nuint)bytes.Length, offset);
            }

            if (count < 0 && Errno.Last != Errno.EINTR)
            {
                throw FileFailure.OfLast("write", _shown);
            }

            var done = (int)Math.Max(0, count);
            bytes = bytes[done..];
            offset += done;
            _length = Math.Max(_length, offset);
        }
    }

    private void SetLength(long length)
    {
        Require(DescriptorCalls.FTruncate(File, length), "write");
        _length = length;
    }

    private void Require(int result, string action)
    {
        if (result != 0)
        {
            throw FileFailure.OfLast(action, _shown);
        }
    }

    private static PartialFile? Gone(PartialFile partial)
    {
        partial.Dispose();
        return null;
    }
}
