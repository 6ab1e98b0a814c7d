using System.Buffers;
using ChannelSdk.Channels;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>One files.Read: sends a file's facts, its content in records and the hash of all of it.</summary>
internal sealed class FileReader : IDisposable
{
    /// <summary>
    /// Bytes of a message: of several records, as each message wakes a thread here and one on the host; of no more than a host
    /// takes in one message by default, 1 MiB.
    /// </summary>
    private const int MaxMessage = 7 * FileRecord.MaxLength;

    private readonly RawPath _path;
    private readonly FileReadRequest _request;
    private readonly SafeFileHandle _file;
    private readonly FileStat _facts;
    private readonly byte[] _buffer;

    /// <summary>Opens the file and checks that the request fits it.</summary>
    /// <exception cref="ChannelException">It cannot be opened, is no regular file, or is not the one that is expected.</exception>
    public FileReader(RawPath path, FileReadRequest request)
    {
        (_path, _request) = (path, request);
        // Non-blocking: the open of a pipe would wait for its other end.
        _file = PathOpener.Open(path, Abi.O_RDONLY | Abi.O_NONBLOCK);
        _buffer = ArrayPool<byte>.Shared.Rent(MaxMessage);
        try
        {
            _facts = FileFacts.Of(_file, path.Shown);
            Check();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
    }

    /// <summary>Sends everything.</summary>
    public async ValueTask SendAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(_facts.ToByteArray(), cancellationToken).ConfigureAwait(false);
        var size = (long)_facts.Size;
        var hash = SparseFile.Hash(_file, (long)_request.Offset, _buffer, _path.Shown, cancellationToken);
        var walk = SparseFile.Walk(_file, hash.Length, size);
        var filled = 0;
        while (walk.TryNext(out var record))
        {
            if (filled + record.Bytes > MaxMessage)
            {
                await stream.WriteAsync(_buffer.AsMemory(0, filled), cancellationToken).ConfigureAwait(false);
                filled = 0;
            }

            if (record.Kind == FileRecordKind.Hole)
            {
                hash.AppendZeros(record.Length);
            }
            else
            {
                record = record with { Hash = ReadBlock(record, filled + FileRecord.HeaderSize, ref hash) };
            }

            record.WriteTo(_buffer.AsSpan(filled));
            filled += record.Bytes;
        }

        if (filled > 0)
        {
            await stream.WriteAsync(_buffer.AsMemory(0, filled), cancellationToken).ConfigureAwait(false);
        }

        if (!_request.AllowChange && !FileFacts.AreSame(_facts, FileFacts.Of(_file, _path.Shown)))
        {
            throw Changed("it changed while it was read; allow_change takes it as it is");
        }

        new FileRecord(FileRecordKind.End, size, 0, hash.Finish(), false).WriteTo(_buffer);
        await stream.WriteAsync(_buffer.AsMemory(0, FileRecord.HeaderSize), cancellationToken).ConfigureAwait(false);
    }

    private ulong ReadBlock(in FileRecord record, int at, ref ContentHash hash)
    {
        var block = _buffer.AsSpan(at, (int)record.Length);
        if (SparseFile.Read(_file, block, record.Offset, _path.Shown) < block.Length)
        {
            throw Changed("it became shorter while it was read");
        }

        return hash.Append(block);
    }

    private void Check()
    {
        if (_facts.Kind != FileKind.Regular)
        {
            throw Refused(ChannelError.FailedPrecondition, $"it is a {_facts.Kind.ToString().ToLowerInvariant()}, and only regular files can be copied");
        }

        if (_facts.Size > ContentHash.MaxLength)
        {
            throw Refused(ChannelError.FailedPrecondition, $"it has {_facts.Size} bytes, and at most {ContentHash.MaxLength} are copied");
        }

        if (_facts.Size == 0 && SparseFile.Read(_file, _buffer.AsSpan(0, 1), 0, _path.Shown) > 0)
        {
            throw Refused(ChannelError.Unsupported, "it has content and no size, as files of /proc do; read it with a program");
        }

        if (_request.Offset > 0 && _request.Expect is null)
        {
            throw Refused(ChannelError.InvalidArgument, "an offset needs what the file is expected to be");
        }

        if (_request.Expect is { } expected && !IsExpected(expected))
        {
            throw Changed("it is another file now, or has changed, since the copy began; begin again");
        }

        if (_request.Offset > _facts.Size || (_request.Offset % ContentHash.BlockSize != 0 && _request.Offset != _facts.Size))
        {
            throw Refused(ChannelError.InvalidArgument, $"offset {_request.Offset} is no multiple of {ContentHash.BlockSize} within its {_facts.Size} bytes");
        }
    }

    private bool IsExpected(FileStat expected)
    {
        if (_request.AllowChange && expected.Inode == _facts.Inode && expected.Device == _facts.Device && expected.Size <= _facts.Size)
        {
            // The content up to the size at the beginning of the copy.
            (_facts.Size, _facts.ModifiedUnixNs) = (expected.Size, expected.ModifiedUnixNs);
        }

        return FileFacts.AreSame(expected, _facts);
    }

    private ChannelException Changed(string what) => Refused(ChannelError.FailedPrecondition, what);

    private ChannelException Refused(ChannelError code, string what) =>
        new(code, ErrorClass.Refused, $"cannot read {_path.Shown}: {what}");
}
