using System.IO.Hashing;
using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Files;

/// <summary>One copy from the guest to this host.</summary>
/// <param name="connection">The way to the agent.</param>
/// <param name="source">In the guest.</param>
/// <param name="destination">On this host.</param>
/// <param name="options">How.</param>
/// <param name="progress">Told after each block; null: no report.</param>
/// <param name="freeBytes">Tells the free bytes of a folder's file system; null: asks the system.</param>
internal sealed class CopyOut(
    AgentConnection connection, GuestPath source, string destination, FileCopyOptions options, IProgress<FileProgress>? progress, Func<string, long>? freeBytes = null) : IDisposable
{
    // So many bytes are written before the free space is looked at again.
    private const long SpaceStep = 16 << 20;

    private readonly string _partial = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(destination))!, $".channel-{Guid.NewGuid():N}.part");
    private readonly CopyAttempts _attempts = new(connection, options.ResumeTimeout);
    private SafeFileHandle? _file;
    private Protocol.Services.FileStat? _facts;
    private ContentHash _hash;
    private long _dataBytes;
    private long _granted;

    /// <summary>Copies; leaves nothing behind if that fails.</summary>
    public async Task<FileCopyResult> RunAsync(CancellationToken cancellationToken)
    {
        await _attempts.RunAsync(() => AttemptAsync(cancellationToken), () => _hash.Length, cancellationToken).ConfigureAwait(false);
        Locally(Commit);
        return new FileCopyResult(_hash.Length, _dataBytes, _hash.Finish(), _attempts.Resumes);
    }

    /// <summary>Closes the partial file, and removes it if it did not become the destination.</summary>
    public void Dispose()
    {
        if (_file is not null)
        {
            _file.Dispose();
            File.Delete(_partial);
        }
    }

    private async Task AttemptAsync(CancellationToken cancellationToken)
    {
        var request = new FileReadRequest { Path = source.Bytes, Offset = (ulong)_hash.Length, Expect = _facts, AllowChange = options.AllowChange };
        var stream = await connection.Channel.OpenStreamAsync(FilesMethods.Read, request, new CallOptions(AnswerWithin: connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        using (var first = await stream.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            Begin(GuestReply.Parse(Protocol.Services.FileStat.Parser, first, $"the copy of {source}"));
        }

        while (true)
        {
            using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                throw Failed(ChannelError.CorruptFrame, $"the guest ended it at {_hash.Length} bytes");
            }

            // One record at least: an empty message is an error, too.
            var at = 0;
            do
            {
                var record = FileRecord.ReadFirst(message.Span[at..], _hash.Length, (long)_facts!.Size);
                if (record.Kind == FileRecordKind.End)
                {
                    RequireHash(record.Hash, _hash.Finish(), "the whole content");
                    return;
                }

                Write(record, message.Span[(at + FileRecord.HeaderSize)..(at + record.Bytes)]);
                progress?.Report(new FileProgress(_hash.Length, (long)_facts.Size));
                at += record.Bytes;
            }
            while (at < message.Span.Length);
        }
    }

    private void Begin(Protocol.Services.FileStat untrusted)
    {
        if (_facts is not null)
        {
            return;
        }

        if (untrusted.Size > (ulong)options.MaxBytes)
        {
            throw Failed(ChannelError.ResourceExhausted, $"it has {untrusted.Size} bytes and {nameof(FileCopyOptions.MaxBytes)} is {options.MaxBytes}");
        }

        Locally(() =>
        {
            if (!Directory.Exists(Path.GetDirectoryName(_partial)))
            {
                throw Failed(ChannelError.NotFound, $"there is no folder {Path.GetDirectoryName(_partial)} on this host");
            }

            // The guest's claim, which only avoids a copy that must fail; received bytes are counted.
            RequireSpace((long)Math.Min(untrusted.Size, untrusted.AllocatedBytes));

            if (!options.Overwrite && File.Exists(destination))
            {
                throw Failed(ChannelError.FailedPrecondition, $"{destination} exists; ask to overwrite it (Overwrite; channelctl cp --overwrite), or choose another name");
            }

            _file = LocalFileSystem.Create(_partial);
        });
        _facts = untrusted;
    }

    private void Write(in FileRecord record, ReadOnlySpan<byte> block)
    {
        if (record.Kind == FileRecordKind.Hole)
        {
            _hash.AppendZeros(record.Length);
            return;
        }

        RequireHash(record.Hash, XxHash3.HashToUInt64(block), $"the block at {record.Offset}");
        if (_granted < block.Length)
        {
            var needed = record.Length;
            Locally(() => _granted = Math.Min(SpaceStep, RequireSpace(needed)));
        }

        _granted -= block.Length;
        try
        {
            LocalFile.Write(_file!, block, record.Offset, record.HasHoles);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LocalFile.ToException(e, destination);
        }

        _hash.AppendHashed(record.Hash, block.Length);
        _dataBytes += block.Length;
    }

    /// <summary>What may be written so that the reserve stays free, at least so much.</summary>
    private long RequireSpace(long needed)
    {
        var folder = Path.GetDirectoryName(_partial)!;
        var free = freeBytes?.Invoke(folder) ?? new DriveInfo(folder).AvailableFreeSpace;
        var usable = Math.Max(0, free - options.ReserveBytes);
        return needed <= usable ? usable : throw Failed(ChannelError.ResourceExhausted,
            $"it needs {needed} bytes more, and {folder} has {free} left, of which {options.ReserveBytes} stay free ({nameof(FileCopyOptions.ReserveBytes)})");
    }

    private void Commit()
    {
        RandomAccess.SetLength(_file!, _hash.Length);
        if (options.KeepOwner)
        {
            LocalFile.SetOwner(_file!, _facts!.Uid, _facts.Gid);
        }

        if (options.KeepMode)
        {
            // A guest must not make programs of this host run as another user.
            LocalFileSystem.SetMode(_file!, _facts!.Mode & 0x1FF);
        }

        if (options.KeepTime)
        {
            File.SetLastWriteTimeUtc(_file!, FileTimes.FromUnixNs(_facts!.ModifiedUnixNs));
        }

        RandomAccess.FlushToDisk(_file!);
        File.Move(_partial, destination, options.Overwrite);
    }

    private void Locally(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw LocalFile.ToException(e, destination);
        }
    }

    private void RequireHash(ulong untrusted, ulong own, string what)
    {
        if (untrusted != own)
        {
            throw Failed(ChannelError.CorruptFrame, $"{what} came with another hash than it has");
        }
    }

    private ChannelException Failed(ChannelError code, string what) => new(code, ErrorClass.Refused, $"cannot copy {source}: {what}");
}
