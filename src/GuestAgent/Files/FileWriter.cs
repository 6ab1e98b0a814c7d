using System.Buffers;
using ChannelSdk.Channels;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>One files.Write: takes the content into a partial file and puts that in the destination's place.</summary>
internal sealed class FileWriter : IDisposable
{
    private readonly RawPath _path;
    private readonly FileWriteRequest _request;
    private readonly SafeFileHandle _folder;
    private readonly FileStat? _replaced;
    private readonly long _size;

    /// <summary>Opens the folder and checks whether the file can be written there.</summary>
    /// <exception cref="ChannelException">What is against it; nothing was written.</exception>
    public FileWriter(RawPath path, FileWriteRequest request, TimeProvider time)
    {
        (_path, _request) = (path, request);
        CheckRequest();
        _size = (long)request.Size;
        _folder = PathOpener.OpenParent(path);
        try
        {
            StalePartials.Remove(_folder, path.Shown, time);
            _replaced = FileFacts.OfEntry(_folder, path.Name, path.Shown);
            CheckReplaced();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>Takes the content.</summary>
    public async ValueTask ReceiveAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ContentHash.BlockSize);
        PartialFile? partial = null;
        try
        {
            partial = _request.Resume ? PartialFile.Reopen(_folder, _request.Transfer.Span, _path.Shown) : null;
            if (partial is null && IsInPlace(buffer, cancellationToken))
            {
                await AnswerAsync(stream, new FileWriteReady { Offset = _request.Size, IsComplete = true }).ConfigureAwait(false);
                await AnswerAsync(stream, new FileWriteReport { Hash = _request.SentHash, Size = _request.Size }).ConfigureAwait(false);
                return;
            }

            partial ??= PartialFile.Create(_folder, _request.Transfer.Span, _path.Shown);
            var hash = SparseFile.Hash(partial.File, partial.KeepWhole(_size), buffer, _path.Shown, cancellationToken);
            CheckSpace(partial);
            await AnswerAsync(stream, new FileWriteReady { Offset = (ulong)hash.Length }).ConfigureAwait(false);
            var whole = await ReceiveAsync(stream, partial, hash).ConfigureAwait(false);
            SetAttributes(partial.File);
            partial.Commit(_path.Name, _request.Overwrite);
            // The reply lets the host use the file, so its lock is released before.
            partial.Dispose();
            await AnswerAsync(stream, new FileWriteReport { Hash = whole, Size = _request.Size }).ConfigureAwait(false);
        }
        catch (ChannelException e) when (e.Code is ChannelError.SessionLost or ChannelError.SessionClosed)
        {
            // The host may come back and go on.
            throw;
        }
        catch
        {
            partial?.Discard();
            throw;
        }
        finally
        {
            partial?.Dispose();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<ulong> ReceiveAsync(ChannelStream stream, PartialFile partial, ContentHash hash)
    {
        while (true)
        {
            // No token: the stream itself fails with the reason, and that decides what becomes of the partial file.
            using var message = await stream.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            if (message.IsEnd)
            {
                throw Refused(ChannelError.InvalidArgument, $"the content ended at {hash.Length} of {_size} bytes");
            }

            var record = FileRecord.Read(message.Span, hash.Length, _size);
            switch (record.Kind)
            {
                case FileRecordKind.Hole:
                    hash.AppendZeros(record.Length);
                    partial.Extend(hash.Length);
                    break;
                case FileRecordKind.Data:
                    var block = message.Span[FileRecord.HeaderSize..];
                    RequireHash(record.Hash, hash.Append(block), $"the block at {record.Offset}");
                    partial.Write(block, record.Offset, record.HasHoles);
                    break;
                default:
                    var whole = hash.Finish();
                    RequireHash(record.Hash, whole, "the whole content");
                    return whole;
            }
        }
    }

    private void SetAttributes(SafeFileHandle file)
    {
        var uid = _request.HasUid ? _request.Uid : _replaced?.Uid ?? uint.MaxValue;
        var gid = _request.HasGid ? _request.Gid : _replaced?.Gid ?? uint.MaxValue;
        // fchown(2) takes -1 for "as it is", and clears set-user-id bits: it goes first.
        if ((uid, gid) != (uint.MaxValue, uint.MaxValue) && DescriptorCalls.FChOwn(file, uid, gid) != 0)
        {
            throw FileFailure.OfLast("give the owner to", _path.Shown);
        }

        if (DescriptorCalls.FChMod(file, _request.HasMode ? _request.Mode : _replaced?.Mode ?? 0x1A4) != 0)
        {
            throw FileFailure.OfLast("give the mode to", _path.Shown);
        }

        if (_request.HasModifiedUnixNs)
        {
            SetModified(file, _request.ModifiedUnixNs);
        }
    }

    private unsafe void SetModified(SafeFileHandle file, long unixNs)
    {
        var times = stackalloc TimeSpec[2];
        var (seconds, rest) = Math.DivRem(unixNs, 1_000_000_000);
        times[0].Nanoseconds = Abi.UTIME_OMIT;
        times[1] = rest < 0
            ? new TimeSpec { Seconds = seconds - 1, Nanoseconds = rest + 1_000_000_000 }
            : new TimeSpec { Seconds = seconds, Nanoseconds = rest };
        if (DescriptorCalls.FUTimeNs(file, times) != 0)
        {
            throw FileFailure.OfLast("give the time to", _path.Shown);
        }
    }

    private bool IsInPlace(byte[] buffer, CancellationToken cancellationToken)
    {
        if (!_request.Resume || !_request.HasSentHash || _replaced is null || _replaced.Size != _request.Size)
        {
            return false;
        }

        using var file = PathOpener.Open(_path, Abi.O_RDONLY | Abi.O_NONBLOCK);
        return SparseFile.Hash(file, _size, buffer, _path.Shown, cancellationToken).Finish() == _request.SentHash;
    }

    private void CheckRequest()
    {
        if (_path.Name.Length <= 1)
        {
            throw Refused(ChannelError.InvalidArgument, "it is the root folder");
        }

        if (_request.Size > ContentHash.MaxLength)
        {
            throw Refused(ChannelError.InvalidArgument, $"it has {_request.Size} bytes, and at most {ContentHash.MaxLength} are copied");
        }

        if (_request.Transfer.Length != PartialFile.TransferBytes)
        {
            throw Refused(ChannelError.InvalidArgument, $"a transfer is named by {PartialFile.TransferBytes} bytes, not {_request.Transfer.Length}");
        }

        if (_request.HasMode && _request.Mode > 0xFFF)
        {
            throw Refused(ChannelError.InvalidArgument, "mode is above 07777");
        }
    }

    private void CheckReplaced()
    {
        if (_replaced is not null && _replaced.Kind != FileKind.Regular)
        {
            throw Refused(ChannelError.FailedPrecondition, $"there is a {_replaced.Kind.ToString().ToLowerInvariant()}, and only a regular file can be replaced");
        }
        // A transfer that goes on may meet its own result.
        if (_replaced is not null && !_request.Overwrite && !(_request.Resume && _request.HasSentHash))
        {
            throw FileFailure.Of(Errno.EEXIST, "write", _path.Shown);
        }
    }

    private unsafe void CheckSpace(PartialFile partial)
    {
        StatVfs free;
        if (DescriptorCalls.FStatVfs(_folder, &free) != 0)
        {
            throw FileFailure.OfLast("look at the file system of", _path.Shown);
        }

        var available = free.FragmentSize * free.AvailableFragments;
        var needed = !_request.HasDataBytes ? _request.Size : Math.Min(_request.DataBytes, _request.Size);
        var present = FileFacts.Raw(partial.File, _path.Shown).Blocks512 * 512;
        if (needed > present && needed - present > available)
        {
            throw Refused(ChannelError.ResourceExhausted, $"it needs {needed - present} bytes and the file system has {available} left");
        }
    }

    private void RequireHash(ulong untrusted, ulong own, string what)
    {
        if (untrusted != own)
        {
            throw new ChannelException(ChannelError.CorruptFrame, ErrorClass.Fatal, $"cannot write {_path.Shown}: {what} came with another hash than it has");
        }
    }

    private static ValueTask AnswerAsync(ChannelStream stream, IMessage message) => stream.WriteAsync(message.ToByteArray(), CancellationToken.None);

    private ChannelException Refused(ChannelError code, string what) =>
        new(code, ErrorClass.Refused, $"cannot write {_path.Shown}: {what}");
}
