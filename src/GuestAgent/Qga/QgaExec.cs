using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The programs of one client, and what they have written and nobody has asked for yet.</summary>
internal sealed class QgaExec(ExecService exec) : IDisposable
{
    // As many ends as are kept for a client that has not asked for them.
    private const int MaxRuns = 32;
    private const int MaxKept = 1 << 20;

    // Of all programs of all clients, so that it stays within the heap's hard limit.
    private const int MaxKeptInAll = 4 << 20;
    private static int s_kept;
    private readonly Dictionary<long, Run> _runs = [];

    /// <summary>guest-exec.</summary>
    public void Start(QgaCall call)
    {
        string path = call.Arguments.Text("path");
        var request = new ExecRequest { KeepOnSessionLoss = true };
        request.Argv.Add(ByteString.CopyFromUtf8(path));
        foreach (string argument in call.Arguments.Texts("arg"))
        {
            request.Argv.Add(ByteString.CopyFromUtf8(argument));
        }
        foreach (string variable in call.Arguments.Texts("env"))
        {
            request.Environment.Add(ByteString.CopyFromUtf8(variable));
        }
        // The memory of the request is another one's soon.
        byte[] input = call.Arguments.BytesOrNull("input-data")?.ToArray() ?? [];
        (bool output, bool error, bool isMerged) = Capture(call.Arguments);
        call.Arguments.End();
        MakeRoom();
        var run = new Run(output, error);
        ExecPump pump;
        int pid;
        try
        {
            pump = exec.Start(request, isMerged, run.Take, out pid);
        }
        catch (ChannelException e) when (e.Code == ChannelError.NotFound)
        {
            throw new QgaException($"Guest agent command failed, error was 'Failed to execute child process “{path}” (No such file or directory)'");
        }
        run.Ended = pump.Ended;
        _runs[pid] = run;
        _ = FeedAsync(pump, input);
        call.Json.WriteStartObject();
        call.Json.WriteNumber("pid"u8, pid);
        call.Json.WriteEndObject();
    }

    /// <summary>guest-exec-status; an end that was told is forgotten.</summary>
    public void Status(QgaCall call)
    {
        long pid = call.Arguments.Integer("pid");
        call.Arguments.End();
        if (!_runs.TryGetValue(pid, out Run? run))
        {
            throw new QgaException("Invalid parameter 'pid'");
        }
        call.Json.WriteStartObject();
        // Asked once: it may end in the middle of this, and an end is told by one reply alone.
        bool hasEnded = run.Ended.IsCompleted;
        call.Json.WriteBoolean("exited"u8, hasEnded);
        if (hasEnded)
        {
            ExecExited end = run.Ended.Result;
            call.Json.WriteNumber(end.Signal != 0 ? "signal"u8 : "exitcode"u8, end.Signal != 0 ? end.Signal : end.Code);
            run.Write(call.Json);
            Forget(pid, run);
        }
        call.Json.WriteEndObject();
    }

    /// <summary>Drops what was kept. Programs go on.</summary>
    public void Dispose()
    {
        foreach (Run run in _runs.Values)
        {
            run.Release();
        }
        _runs.Clear();
    }

    private static async Task FeedAsync(ExecPump pump, byte[] input)
    {
        await pump.WriteAsync(input, CancellationToken.None).ConfigureAwait(false);
        await pump.WriteAsync(default, CancellationToken.None).ConfigureAwait(false);
    }

    private static (bool Output, bool Error, bool IsMerged) Capture(QgaArguments arguments)
    {
        QgaValue? value = arguments.Any("capture-output");
        return value?.Kind switch
        {
            null or JsonTokenType.False => (false, false, false),
            JsonTokenType.True => (true, true, false),
            JsonTokenType.String => value.AsText() switch
            {
                "none" => (false, false, false),
                "stdout" => (true, false, false),
                "stderr" => (false, true, false),
                "separated" => (true, true, false),
                "merged" => (true, false, true),
                var other => throw new QgaException($"Parameter 'capture-output' does not accept value '{other}'"),
            },
            _ => throw arguments.WrongType("capture-output", "GuestExecCaptureOutput"),
        };
    }

    private void MakeRoom()
    {
        if (_runs.Count < MaxRuns)
        {
            return;
        }
        foreach ((long pid, Run run) in _runs)
        {
            if (run.Ended.IsCompleted)
            {
                Forget(pid, run);
                return;
            }
        }
        throw new QgaException($"{MaxRuns} programs run; wait for the end of one");
    }

    private void Forget(long pid, Run run)
    {
        run.Release();
        _runs.Remove(pid);
    }

    private sealed class Run(bool output, bool error)
    {
        private readonly Kept? _output = output ? new Kept() : null;
        private readonly Kept? _error = error ? new Kept() : null;

        public Task<ExecExited> Ended { get; set; } = Task.FromResult(new ExecExited());

        /// <summary>Takes a message of the program's pump: a byte that says what it is, then what was written.</summary>
        public bool Take(ReadOnlyMemory<byte> message)
        {
            (message.Span[0] == (byte)ExecMessage.Output ? _output : _error)?.Add(message.Span[1..]);
            return true;
        }

        public void Write(Utf8JsonWriter json)
        {
            _output?.Write(json, "out-data", "out-truncated");
            _error?.Write(json, "err-data", "err-truncated");
        }

        public void Release()
        {
            _output?.Release();
            _error?.Release();
        }
    }

    /// <summary>The beginning of what was written to one stream. The pump's thread adds, the client's asks and releases.</summary>
    private sealed class Kept
    {
        private readonly Lock _lock = new();
        private byte[] _bytes = [];
        private int _length;
        private bool _isCut;
        private bool _isReleased;

        public void Add(ReadOnlySpan<byte> more)
        {
            lock (_lock)
            {
                int take = Math.Min(more.Length, MaxKept - _length);
                if (!_isReleased && _length + take > _bytes.Length && !Grow(Math.Min(MaxKept, Math.Max(_length + take, _bytes.Length * 2))))
                {
                    take = _bytes.Length - _length;
                }
                take = _isReleased ? 0 : take;
                _isCut |= take < more.Length;
                more[..take].CopyTo(_bytes.AsSpan(_length));
                _length += take;
            }
        }

        public void Write(Utf8JsonWriter json, string data, string truncated)
        {
            lock (_lock)
            {
                if (_length > 0)
                {
                    json.WriteBase64String(data, _bytes.AsSpan(0, _length));
                }
                if (_isCut)
                {
                    json.WriteBoolean(truncated, true);
                }
            }
        }

        public void Release()
        {
            lock (_lock)
            {
                Interlocked.Add(ref s_kept, -_bytes.Length);
                (_bytes, _length, _isReleased) = ([], 0, true);
            }
        }

        private bool Grow(int wanted)
        {
            int more = wanted - _bytes.Length;
            if (Interlocked.Add(ref s_kept, more) > MaxKeptInAll)
            {
                Interlocked.Add(ref s_kept, -more);
                return false;
            }
            Array.Resize(ref _bytes, wanted);
            return true;
        }
    }
}
