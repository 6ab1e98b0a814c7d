using System.Buffers;
using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Files;

/// <summary>One copy from this host to the guest.</summary>
internal sealed class CopyIn : IDisposable
{
    private readonly AgentConnection _connection;
    private readonly string _source;
    private readonly GuestPath _destination;
    private readonly FileCopyOptions _options;
    private readonly IProgress<FileProgress>? _progress;
    private readonly CopyAttempts _attempts;
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(FileRecord.MaxLength);
    private readonly SafeFileHandle _file;
    private readonly long _size;
    private readonly DateTime _modified;
    private readonly FileWriteRequest _request;
    private ContentHash _hash;
    private long _dataBytes;

    public CopyIn(AgentConnection connection, string source, GuestPath destination, FileCopyOptions options, IProgress<FileProgress>? progress)
    {
        (_connection, _source, _destination, _options, _progress) = (connection, source, destination, options, progress);
        _attempts = new CopyAttempts(connection, options.ResumeTimeout);
        _file = LocalFile.OpenRegular(source);
        try
        {
            (_size, _modified) = (RandomAccess.GetLength(_file), File.GetLastWriteTimeUtc(_file));
            _request = Request();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Copies; the guest removes what it has if that fails for good.</summary>
    public async Task<FileCopyResult> RunAsync(CancellationToken cancellationToken)
    {
        await _attempts.RunAsync(() => AttemptAsync(cancellationToken), () => _hash.Length, cancellationToken).ConfigureAwait(false);
        return new FileCopyResult(_size, _dataBytes, _hash.Finish(), _attempts.Resumes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
    }

    private async Task AttemptAsync(CancellationToken cancellationToken)
    {
        _request.Resume = _attempts.Resumes > 0;
        // An agent that resumes first hashes the part that it has, which may be large.
        var usual = _connection.CallTimeout;
        var begins = _request.Resume && _options.ResumeTimeout > usual ? _options.ResumeTimeout : usual;
        var stream = await _connection.Channel.OpenStreamAsync(FilesMethods.Write, _request, new CallOptions(AnswerWithin: begins), cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        bool isComplete;
        using (var first = await stream.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            isComplete = AcceptReady(GuestReply.Parse(FileWriteReady.Parser, first, $"the copy to {_destination}"), cancellationToken);
        }

        if (!isComplete)
        {
            await SendAsync(stream, cancellationToken).ConfigureAwait(false);
        }

        using var last = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        var report = GuestReply.Parse(FileWriteReport.Parser, last, $"the copy to {_destination}");
        if (report.Hash != _hash.Finish() || report.Size != (ulong)_size)
        {
            throw Failed(ChannelError.CorruptFrame, $"the guest has {report.Size} bytes with hash {report.Hash:x16}, sent were {_size} with {_hash.Finish():x16}");
        }
    }

    private bool AcceptReady(FileWriteReady untrusted, CancellationToken cancellationToken)
    {
        if (untrusted.IsComplete && _request.HasSentHash && _hash.Length == _size)
        {
            return true;
        }

        if (untrusted.IsComplete || untrusted.Offset > (ulong)_size
            || (untrusted.Offset % ContentHash.BlockSize != 0 && untrusted.Offset != (ulong)_size))
        {
            throw Failed(ChannelError.InvalidArgument, $"the guest wants to go on at {untrusted.Offset} of {_size} bytes");
        }

        _hash = LocalFile.Hash(_file, (long)untrusted.Offset, _buffer, cancellationToken);
        return false;
    }

    private async ValueTask SendAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        var walk = LocalFile.Walk(_file, _hash.Length, _size);
        while (walk.TryNext(out var record))
        {
            var length = FileRecord.HeaderSize;
            if (record.Kind == FileRecordKind.Hole)
            {
                _hash.AppendZeros(record.Length);
            }
            else
            {
                record = record with { Hash = ReadBlock(record) };
                length += (int)record.Length;
            }

            record.WriteTo(_buffer);
            await stream.WriteAsync(_buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            _progress?.Report(new FileProgress(_hash.Length, _size));
        }

        if (!_options.AllowChange && (RandomAccess.GetLength(_file), File.GetLastWriteTimeUtc(_file)) != (_size, _modified))
        {
            throw Failed(ChannelError.FailedPrecondition, $"{_source} changed while it was read");
        }

        _request.SentHash = _hash.Finish();
        new FileRecord(FileRecordKind.End, _size, 0, _request.SentHash, false).WriteTo(_buffer);
        await stream.WriteAsync(_buffer.AsMemory(0, FileRecord.HeaderSize), cancellationToken).ConfigureAwait(false);
    }

    private ulong ReadBlock(in FileRecord record)
    {
        var block = _buffer.AsSpan(FileRecord.HeaderSize, (int)record.Length);
        if (LocalFile.Read(_file, block, record.Offset) < block.Length)
        {
            throw Failed(ChannelError.FailedPrecondition, $"{_source} became shorter while it was read");
        }

        _dataBytes += block.Length;
        return _hash.Append(block);
    }

    private FileWriteRequest Request()
    {
        if (_size > _options.MaxBytes)
        {
            throw Failed(ChannelError.ResourceExhausted, $"it has {_size} bytes and {nameof(FileCopyOptions.MaxBytes)} is {_options.MaxBytes}");
        }

        var request = new FileWriteRequest
        {
            Path = _destination.Bytes,
            Size = (ulong)_size,
            DataBytes = CountData(),
            Transfer = ByteString.CopyFrom(Guid.NewGuid().ToByteArray()),
            Overwrite = _options.Overwrite,
        };
        if (_options.KeepMode)
        {
            request.Mode = LocalFileSystem.ModeOf(_file);
        }

        if (_options.KeepOwner)
        {
            (request.Uid, request.Gid) = LocalFile.OwnerOf(_file);
        }

        if (_options.KeepTime)
        {
            request.ModifiedUnixNs = FileTimes.ToUnixNs(_modified);
        }

        return request;
    }

    private ulong CountData()
    {
        ulong count = 0;
        var walk = LocalFile.Walk(_file, 0, _size);
        while (walk.TryNext(out var record))
        {
            count += record.Kind == FileRecordKind.Data ? (ulong)record.Length : 0;
        }

        return count;
    }

    private ChannelException Failed(ChannelError code, string what) => new(code, ErrorClass.Refused, $"cannot copy to {_destination}: {what}");
}
