using System.Globalization;
using System.Text;
using System.Text.Json;
using ChannelSdk.Channels;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Files;
using Google.Protobuf;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// files.Read and files.Write by qemu-ga's file commands. It has no way to put a whole file in another's place, to keep
/// mode, owner and time, or to hash: a copy in is written to its destination, and a broken copy leaves what was written.
/// </summary>
internal sealed class QgaFiles(QgaClient client)
{
    private const uint OwnerOnly = 0x180;
    private const int MaxSizeless = 4 << 20;

    // What strerror(3) and Windows say; qemu-ga gives no number.
    private static readonly string[] s_absent = ["No such file", "cannot find the file", "cannot find the path"];

    /// <summary>Sends a file's content.</summary>
    public async ValueTask ReadAsync(FileReadRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        var path = request.Path.ToStringUtf8();
        var handle = await OpenAsync(path, "r", cancellationToken).ConfigureAwait(false);
        try
        {
            var counted = await SeekAsync(handle, 0, "end", cancellationToken).ConfigureAwait(false);
            // Files of /proc and /sys have content and no size.
            var content = counted == 0 ? await ReadAllAsync(handle, path, cancellationToken).ConfigureAwait(false) : null;
            var size = content?.Length ?? (request.Expect is { } expected ? (long)expected.Size : counted);
            if (size > ContentHash.MaxLength || (long)request.Offset > size)
            {
                throw Failed(path, $"the guest says that it has {size} bytes");
            }

            await stream.WriteAsync(new FileStat
            {
                Kind = FileKind.Regular,
                Size = (ulong)size,
                AllocatedBytes = (ulong)size,
                Mode = OwnerOnly,
            }.ToByteArray(), cancellationToken).ConfigureAwait(false);
            ValueTask<byte[]> NextAsync(long offset, long end) => content is null
                ? BlockAsync(handle, path, (int)Math.Min(ContentHash.BlockSize, end - offset), cancellationToken)
                : ValueTask.FromResult(content[(int)offset..(int)Math.Min(offset + ContentHash.BlockSize, end)]);
            await SeekAsync(handle, 0, "set", cancellationToken).ConfigureAwait(false);
            var hash = default(ContentHash);
            while (hash.Length < (long)request.Offset)
            {
                hash.Append(await NextAsync(hash.Length, (long)request.Offset).ConfigureAwait(false));
            }

            var message = new byte[FileRecord.MaxLength];
            while (hash.Length < size)
            {
                var block = await NextAsync(hash.Length, size).ConfigureAwait(false);
                var offset = hash.Length;
                new FileRecord(FileRecordKind.Data, offset, block.Length, hash.Append(block), false).WriteTo(message);
                block.CopyTo(message, FileRecord.HeaderSize);
                await stream.WriteAsync(message.AsMemory(0, FileRecord.HeaderSize + block.Length), cancellationToken).ConfigureAwait(false);
            }

            if (content is null && !request.AllowChange && await SeekAsync(handle, 0, "end", cancellationToken).ConfigureAwait(false) != size)
            {
                throw Failed(path, "its size changed while it was read; allow changes to take it as it is");
            }

            new FileRecord(FileRecordKind.End, size, 0, hash.Finish(), false).WriteTo(message);
            await stream.WriteAsync(message.AsMemory(0, FileRecord.HeaderSize), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await CloseAsync(handle).ConfigureAwait(false);
        }
    }

    /// <summary>Takes a file's content.</summary>
    public async ValueTask WriteAsync(FileWriteRequest request, ChannelStream stream)
    {
        var path = request.Path.ToStringUtf8();
        if (request.HasMode || request.HasUid || request.HasGid || request.HasModifiedUnixNs)
        {
            throw QgaErrors.Unavailable("keep a file's mode, owner or time");
        }

        if (!request.Overwrite && !request.Resume && await ExistsAsync(path).ConfigureAwait(false))
        {
            throw Failed(path, "it exists; ask to overwrite it, or choose another name");
        }

        var handle = await OpenAsync(path, "w", CancellationToken.None).ConfigureAwait(false);
        try
        {
            // The file is created again, so a copy that was cut starts from the beginning.
            await stream.WriteAsync(new FileWriteReady().ToByteArray(), CancellationToken.None).ConfigureAwait(false);
            var whole = await ReceiveAsync(request, path, handle, stream).ConfigureAwait(false);
            await client.CallAsync("guest-file-flush", Handle(handle)).ConfigureAwait(false);
            if (await SeekAsync(handle, 0, "end", CancellationToken.None).ConfigureAwait(false) != (long)request.Size)
            {
                throw Failed(path, $"the guest does not have its {request.Size} bytes");
            }

            await client.CallAsync("guest-file-close", Handle(handle)).ConfigureAwait(false);
            handle = -1;
            await stream.WriteAsync(new FileWriteReport { Hash = whole, Size = request.Size }.ToByteArray(), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            await CloseAsync(handle).ConfigureAwait(false);
        }
    }

    private async ValueTask<ulong> ReceiveAsync(FileWriteRequest request, string path, long handle, ChannelStream stream)
    {
        var hash = default(ContentHash);
        var position = 0L;
        while (true)
        {
            using var message = await stream.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            if (message.IsEnd)
            {
                throw Failed(path, $"the content ended at {hash.Length} of {request.Size} bytes");
            }

            var record = FileRecord.Read(message.Span, hash.Length, (long)request.Size);
            switch (record.Kind)
            {
                case FileRecordKind.Hole:
                    hash.AppendZeros(record.Length);
                    break;
                case FileRecordKind.Data:
                    hash.Append(message.Span[FileRecord.HeaderSize..]);
                    position = await PutAsync(handle, path, record.Offset, position, message.Memory[FileRecord.HeaderSize..]).ConfigureAwait(false);
                    break;
                default:
                    if (position < (long)request.Size)
                    {
                        // A hole at the end becomes one by its last byte.
                        await PutAsync(handle, path, (long)request.Size - 1, position, new byte[1]).ConfigureAwait(false);
                    }

                    return hash.Finish();
            }
        }
    }

    private async ValueTask<long> PutAsync(long handle, string path, long offset, long position, ReadOnlyMemory<byte> content)
    {
        if (offset != position)
        {
            await SeekAsync(handle, offset, "set", CancellationToken.None).ConfigureAwait(false);
        }

        var arguments = string.Create(CultureInfo.InvariantCulture, $"{{\"handle\":{handle},\"buf-b64\":\"{Convert.ToBase64String(content.Span)}\"}}");
        var written = await client.CallAsync("guest-file-write", arguments).ConfigureAwait(false);
        return UntrustedJson.Number(written, "count") == content.Length ? offset + content.Length
            : throw Failed(path, $"the guest took {UntrustedJson.Number(written, "count")} of {content.Length} bytes at {offset}");
    }

    /// <summary>Reads so many bytes. qemu-ga may give fewer at a time.</summary>
    private async ValueTask<byte[]> BlockAsync(long handle, string path, int length, CancellationToken cancellationToken)
    {
        var block = new byte[length];
        for (var done = 0; done < length;)
        {
            var (bytes, _) = await PartAsync(handle, path, length - done, cancellationToken).ConfigureAwait(false);
            if (bytes.Length == 0)
            {
                throw Failed(path, "it became shorter while it was read");
            }

            bytes.CopyTo(block, done);
            done += bytes.Length;
        }

        return block;
    }

    /// <summary>Reads to the end what has no size to go by, and is short.</summary>
    private async ValueTask<byte[]> ReadAllAsync(long handle, string path, CancellationToken cancellationToken)
    {
        using var whole = new MemoryStream();
        while (true)
        {
            var (bytes, isLast) = await PartAsync(handle, path, (int)ContentHash.BlockSize, cancellationToken).ConfigureAwait(false);
            whole.Write(bytes);
            if (isLast || bytes.Length == 0)
            {
                return whole.ToArray();
            }

            if (whole.Length > MaxSizeless)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused,
                    $"cannot copy {SafeText.Escape(path, 300)} by qemu-ga: it has no size and more than {MaxSizeless} bytes; a device has no end");
            }
        }
    }

    private async ValueTask<(byte[] Bytes, bool IsLast)> PartAsync(long handle, string path, int most, CancellationToken cancellationToken)
    {
        var arguments = string.Create(CultureInfo.InvariantCulture, $"{{\"handle\":{handle},\"count\":{most}}}");
        var read = await client.CallAsync("guest-file-read", arguments, null, cancellationToken).ConfigureAwait(false);
        return UntrustedJson.Bytes(read, "buf-b64") is { } bytes && bytes.Length <= most
            ? (bytes, UntrustedJson.IsTrue(read, "eof"))
            : throw Failed(path, "the guest's answer has no content, or more than was asked for");
    }

    private async ValueTask<long> OpenAsync(string path, string mode, CancellationToken cancellationToken)
    {
        var handle = await client.CallAsync("guest-file-open", $"{{\"path\":\"{JsonEncodedText.Encode(path)}\",\"mode\":\"{mode}\"}}", null, cancellationToken).ConfigureAwait(false);
        return handle.ValueKind == JsonValueKind.Number && handle.TryGetInt64(out var number) ? number : throw Failed(path, "the guest gave no handle");
    }

    private async ValueTask<bool> ExistsAsync(string path)
    {
        try
        {
            await CloseAsync(await OpenAsync(path, "r", CancellationToken.None).ConfigureAwait(false)).ConfigureAwait(false);
            return true;
        }
        catch (ChannelException e) when (e.Code == ChannelError.FailedPrecondition)
        {
            // An existing file that cannot be read must not be overwritten.
            return !s_absent.Any(words => e.Message.Contains(words, StringComparison.OrdinalIgnoreCase))
                ? throw Failed(path, $"it cannot be told whether it exists: {e.Message}; ask to overwrite it, or choose another name") : false;
        }
    }

    private async ValueTask<long> SeekAsync(long handle, long offset, string whence, CancellationToken cancellationToken)
    {
        // Numbers, which all versions understand.
        var code = whence == "end" ? 2 : 0;
        var arguments = string.Create(CultureInfo.InvariantCulture, $"{{\"handle\":{handle},\"offset\":{offset},\"whence\":{code}}}");
        return UntrustedJson.Number(await client.CallAsync("guest-file-seek", arguments, null, cancellationToken).ConfigureAwait(false), "position") is >= 0 and var position
            ? position : throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the guest's answer to guest-file-seek has no position");
    }

    private async ValueTask CloseAsync(long handle)
    {
        if (handle < 0)
        {
            return;
        }

        try
        {
            await client.CallAsync("guest-file-close", Handle(handle)).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // It is the end of a copy that has its own result.
        }
    }

    private static string Handle(long handle) => string.Create(CultureInfo.InvariantCulture, $"{{\"handle\":{handle}}}");

    private static ChannelException Failed(string path, string what) =>
        new(ChannelError.FailedPrecondition, ErrorClass.Refused, $"cannot copy {SafeText.Escape(path, 300)} by qemu-ga: {what}");
}
