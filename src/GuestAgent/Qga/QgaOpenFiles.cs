using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The open files of one client. Numbers are never used twice, so a stale one finds nothing.</summary>
internal sealed class QgaOpenFiles(AgentPolicy policy, ServiceGate gate, TimeProvider time) : IDisposable
{
    private const int MaxFiles = 64;
    private const int DefaultCount = 4096;
    private const int MaxCount = 48 << 20;
    // A multiple of three, so that the parts' base64 is the whole's.
    private const int Block = 96 << 10;
    // A client that left without closing must not keep files open without end.
    private static readonly TimeSpan s_forgottenAfter = TimeSpan.FromMinutes(10);
    private static readonly byte[] s_readStart = [.. QgaCall.ReplyStart, .. "{\"buf-b64\": \""u8];
    private static long s_lastNumber = 999;
    private readonly QgaFileOpener _opener = new(policy, gate);
    private readonly Dictionary<long, QgaFile> _files = [];

    /// <summary>guest-file-open.</summary>
    public void Open(QgaCall call)
    {
        var path = call.Arguments.Text("path");
        var mode = call.Arguments.TextOrNull("mode") ?? "r";
        call.Arguments.End();
        var place = _opener.Find(path, mode);
        Forget();
        var file = QgaFileOpener.Open(place);
        var number = Interlocked.Increment(ref s_lastNumber);
        _files.Add(number, new QgaFile(file) { UsedAt = time.GetTimestamp() });
        call.Json.WriteNumberValue(number);
    }

    /// <summary>guest-file-read: sends the content as it is read, so its length costs no memory.</summary>
    public async ValueTask ReadAsync(QgaCall call)
    {
        var file = Find(call);
        var count = call.Arguments.IntegerOrNull("count") ?? DefaultCount;
        call.Arguments.End();
        if (count is < 0 or > MaxCount)
        {
            throw BadCount(count);
        }

        var buffer = ArrayPool<byte>.Shared.Rent(Block / 3 * 4);
        try
        {
            long done = 0;
            var isEnd = false;
            var isFailed = false;
            while (done < count && !isEnd && !isFailed)
            {
                var length = file.Read(buffer.AsSpan(0, (int)Math.Min(Block, count - done)), out isEnd);
                isFailed = length < 0;
                if (isFailed && done == 0)
                {
                    throw Failed("failed to read file");
                }

                if (done == 0)
                {
                    await call.SendAsync(s_readStart).ConfigureAwait(false);
                }

                length = Math.Max(length, 0);
                done += length;
                _ = Base64.EncodeToUtf8InPlace(buffer, length, out var written);
                await call.SendAsync(buffer.AsMemory(0, written)).ConfigureAwait(false);
            }

            if (count == 0)
            {
                await call.SendAsync(s_readStart).ConfigureAwait(false);
            }
            // Bytes read before an error are a short read; the next read has the error.
            call.SentUpTo = $"\", \"count\": {done}, \"eof\": {(isEnd ? "true" : "false")}}}";
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>guest-file-write.</summary>
    public void Write(QgaCall call)
    {
        var file = Find(call);
        if (!call.Arguments.Has("buf-b64"))
        {
            throw call.Arguments.Missing("buf-b64");
        }

        var content = call.Arguments.BytesOrNull("buf-b64")!.Value;
        var count = call.Arguments.IntegerOrNull("count") ?? content.Length;
        call.Arguments.End();
        if (count < 0 || count > content.Length)
        {
            throw BadCount(count);
        }

        if (!file.Write(content.Span[..(int)count]))
        {
            throw Failed("failed to write to file");
        }

        call.Json.WriteStartObject();
        call.Json.WriteNumber("count"u8, count);
        call.Json.WriteBoolean("eof"u8, false);
        call.Json.WriteEndObject();
    }

    /// <summary>guest-file-seek.</summary>
    public void Seek(QgaCall call)
    {
        var file = Find(call);
        var offset = call.Arguments.Integer("offset");
        var whence = Whence(call.Arguments);
        call.Arguments.End();
        var position = DescriptorCalls.LSeek(file.Handle, offset, whence);
        if (position < 0)
        {
            throw Failed("failed to seek file");
        }

        call.Json.WriteStartObject();
        call.Json.WriteNumber("position"u8, position);
        call.Json.WriteBoolean("eof"u8, false);
        call.Json.WriteEndObject();
    }

    /// <summary>guest-file-flush: each write has gone to the kernel already.</summary>
    public void Flush(QgaCall call)
    {
        _ = Find(call);
        call.Arguments.End();
    }

    /// <summary>guest-file-close.</summary>
    public void Close(QgaCall call)
    {
        var file = Find(call);
        call.Arguments.End();
        file.Handle.Dispose();
        _files.Remove(call.Arguments.Integer("handle"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files.Values)
        {
            file.Handle.Dispose();
        }

        _files.Clear();
    }

    private QgaFile Find(QgaCall call)
    {
        var number = call.Arguments.Integer("handle");
        if (!_files.TryGetValue(number, out var file))
        {
            throw new QgaException($"handle '{number}' has not been found");
        }

        file.UsedAt = time.GetTimestamp();
        return file;
    }

    private void Forget()
    {
        if (_files.Count < MaxFiles)
        {
            return;
        }

        KeyValuePair<long, QgaFile> oldest = default;
        foreach (var entry in _files)
        {
            oldest = oldest.Value is null || entry.Value.UsedAt < oldest.Value.UsedAt ? entry : oldest;
        }

        var (number, file) = oldest;
        if (time.GetElapsedTime(file.UsedAt) < s_forgottenAfter)
        {
            throw new QgaException($"{MaxFiles} files are open; close one first");
        }

        file.Handle.Dispose();
        _files.Remove(number);
    }

    private static int Whence(QgaArguments arguments)
    {
        var value = arguments.Any("whence") ?? throw arguments.Missing("whence");
        var code = value.Kind switch
        {
            JsonTokenType.String => value.AsText() switch
            {
                "set" => 0,
                "cur" => 1,
                "end" => 2,
                var other => throw new QgaException($"Parameter 'whence' does not accept value '{other}'"),
            },
            _ => value.AsInteger() ?? throw arguments.WrongType("whence", "GuestFileWhence"),
        };
        return code is >= 0 and <= 2 ? (int)code : throw new QgaException($"invalid whence code {code}");
    }

    private static QgaException BadCount(long count) => new($"value '{count}' is invalid for argument count");

    private static QgaException Failed(string what) => new($"{what}: {Errno.Message(Errno.Last)}");
}
