using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The open files of one client. Numbers are never used twice, so a stale one finds nothing.</summary>
internal sealed class QgaFiles(AgentPolicy policy, ServiceGate gate, TimeProvider time) : IDisposable
{
    private const int MaxFiles = 64;
    private const int DefaultCount = 4096;
    private const int MaxCount = 48 << 20;
    // A multiple of three, so that the parts' base64 is the whole's.
    private const int Block = 96 << 10;
    private const int NoTerminal = 0x100;
    private const int Truncate = 0x200;
    private const int Append = 0x400;
    private const uint NewFileMode = 0x1B6;
    // A client that left without closing must not keep files open for ever.
    private static readonly TimeSpan s_forgottenAfter = TimeSpan.FromMinutes(10);
    private static readonly byte[] s_readStart = [.. QgaCall.ReplyStart, .. "{\"buf-b64\": \""u8];
    private static long s_lastNumber = 999;
    private readonly Dictionary<long, QgaFile> _files = [];

    /// <summary>guest-file-open.</summary>
    public void Open(QgaCall call)
    {
        string path = call.Arguments.Text("path");
        string mode = call.Arguments.TextOrNull("mode") ?? "r";
        call.Arguments.End();
        int flags = Flags(mode);
        bool writes = flags != FileCalls.ReadOnly;
        if (writes)
        {
            gate.Pass(ServiceMethods.FilesWrite.Name, "guest-file-open");
        }
        bool reads = (flags & 3) != FileCalls.WriteOnly;
        RawPath named = RawPath.Parse(ByteString.CopyFromUtf8(PathFollower.Normalize(path)));
        Check(named, reads, writes);
        RawPath raw = PathFollower.Resolve(path, named);
        if (raw.Text != named.Text)
        {
            // Through a link: what is allowed is asked of the place that it leads to as well.
            Check(raw, reads, writes);
        }
        Forget();
        SafeFileHandle file;
        RefuseDevice(raw);
        try
        {
            file = Open(raw, flags);
        }
        catch (FileException e)
        {
            // That links are not followed is this agent's own rule, which needs its own words.
            throw new QgaException($"failed to open file '{path}' (mode: '{mode}'): {(e.Errno == FileFailure.Eloop ? e.Message : Marshal.GetPInvokeErrorMessage(e.Errno))}");
        }
        long number = Interlocked.Increment(ref s_lastNumber);
        _files.Add(number, new QgaFile(file) { UsedAt = time.GetTimestamp() });
        call.Json.WriteNumberValue(number);
    }

    /// <summary>guest-file-read: sends the content as it is read, so its length costs no memory.</summary>
    public async ValueTask ReadAsync(QgaCall call)
    {
        QgaFile file = Find(call);
        long count = call.Arguments.IntegerOrNull("count") ?? DefaultCount;
        call.Arguments.End();
        if (count is < 0 or > MaxCount)
        {
            throw BadCount(count);
        }
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Block / 3 * 4);
        try
        {
            long done = 0;
            bool isEnd = false;
            bool isFailed = false;
            while (done < count && !isEnd && !isFailed)
            {
                int length = file.Read(buffer.AsSpan(0, (int)Math.Min(Block, count - done)), out isEnd);
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
                _ = Base64.EncodeToUtf8InPlace(buffer, length, out int written);
                await call.SendAsync(buffer.AsMemory(0, written)).ConfigureAwait(false);
            }
            if (count == 0)
            {
                await call.SendAsync(s_readStart).ConfigureAwait(false);
            }
            // What was read before an error is a short read; the error comes with the next one.
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
        QgaFile file = Find(call);
        if (!call.Arguments.Has("buf-b64"))
        {
            throw call.Arguments.Missing("buf-b64");
        }
        Memory<byte> content = call.Arguments.BytesOrNull("buf-b64")!.Value;
        long count = call.Arguments.IntegerOrNull("count") ?? content.Length;
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
        QgaFile file = Find(call);
        long offset = call.Arguments.Integer("offset");
        int whence = Whence(call.Arguments);
        call.Arguments.End();
        long position = FileCalls.LSeek(file.Handle, offset, whence);
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
        QgaFile file = Find(call);
        call.Arguments.End();
        file.Handle.Dispose();
        _files.Remove(call.Arguments.Integer("handle"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (QgaFile file in _files.Values)
        {
            file.Handle.Dispose();
        }
        _files.Clear();
    }

    private void Check(RawPath path, bool reads, bool writes)
    {
        if (reads)
        {
            policy.CheckRead(path.Text);
        }
        if (writes)
        {
            policy.CheckWrite(path.Text);
        }
    }

    private QgaFile Find(QgaCall call)
    {
        long number = call.Arguments.Integer("handle");
        if (!_files.TryGetValue(number, out QgaFile? file))
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
        foreach (KeyValuePair<long, QgaFile> entry in _files)
        {
            oldest = oldest.Value is null || entry.Value.UsedAt < oldest.Value.UsedAt ? entry : oldest;
        }
        (long number, QgaFile file) = oldest;
        if (time.GetElapsedTime(file.UsedAt) < s_forgottenAfter)
        {
            throw new QgaException($"{MaxFiles} files are open; close one first");
        }
        file.Handle.Dispose();
        _files.Remove(number);
    }

    // As the channel has it. Whether it can be opened at all is for the one who opens it.
    private static void RefuseDevice(RawPath path)
    {
        FileKind kind = FileKind.Regular;
        try
        {
            using SafeFileHandle place = PathOpener.Open(path, FileCalls.PathOnly);
            kind = FileFacts.KindOf(FileFacts.Raw(place, path.Shown).Mode);
        }
        catch (ChannelException)
        {
            // It is not there, or not for us.
        }
        if (kind is FileKind.Device)
        {
            throw new QgaException($"{path.Shown} is a device, and only files are read and written");
        }
    }

    // A file of a new name gets its mode whatever the agent's mask is; an old one keeps its own.
    private static SafeFileHandle Open(RawPath path, int flags)
    {
        int asked = flags | NoTerminal | FileCalls.NonBlocking;
        if ((flags & FileCalls.Create) != 0)
        {
            try
            {
                SafeFileHandle made = PathOpener.Open(path, asked | FileCalls.Exclusive);
                _ = FileCalls.FChMod(made, NewFileMode);
                return made;
            }
            catch (FileException e) when (e.Errno == FileFailure.Eexist)
            {
                // It is there; it is opened below.
            }
        }
        return PathOpener.Open(path, asked & ~FileCalls.Create);
    }

    // fopen(3)
    private static int Flags(string mode) => mode switch
    {
        "r" or "rb" => FileCalls.ReadOnly,
        "w" or "wb" => FileCalls.WriteOnly | FileCalls.Create | Truncate,
        "a" or "ab" => FileCalls.WriteOnly | FileCalls.Create | Append,
        "r+" or "rb+" or "r+b" => FileCalls.ReadWrite,
        "w+" or "wb+" or "w+b" => FileCalls.ReadWrite | FileCalls.Create | Truncate,
        "a+" or "ab+" or "a+b" => FileCalls.ReadWrite | FileCalls.Create | Append,
        _ => throw new QgaException($"invalid file open mode '{mode}'"),
    };

    private static int Whence(QgaArguments arguments)
    {
        QgaValue value = arguments.Any("whence") ?? throw arguments.Missing("whence");
        long code = value.Kind switch
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

    private static QgaException Failed(string what) => new($"{what}: {Marshal.GetPInvokeErrorMessage(FileFailure.Last)}");
}
