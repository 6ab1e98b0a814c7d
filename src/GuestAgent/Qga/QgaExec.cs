using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The programs of one client, and their output that it has not fetched yet.</summary>
internal sealed class QgaExec(ExecService exec) : IDisposable
{
    // As many ends as are kept for a client that has not asked for them. How many run is for the service to bound.
    private const int MaxEnds = 256;

    // In the order of their start.
    private readonly List<Run> _runs = [];

    /// <summary>guest-exec.</summary>
    public void Start(QgaCall call)
    {
        var path = call.Arguments.Text("path");
        var request = new ExecRequest { KeepOnSessionLoss = true };
        request.Argv.Add(ByteString.CopyFromUtf8(path));
        foreach (var argument in call.Arguments.Texts("arg"))
        {
            request.Argv.Add(ByteString.CopyFromUtf8(argument));
        }

        foreach (var variable in call.Arguments.Texts("env"))
        {
            request.Environment.Add(ByteString.CopyFromUtf8(variable));
        }
        // The memory of the request is another one's soon.
        var input = call.Arguments.BytesOrNull("input-data")?.ToArray() ?? [];
        var capture = Capture(call.Arguments);
        call.Arguments.End();
        MakeRoom();
        var run = new Run(capture.Output, capture.Error);
        ExecPump pump;
        int pid;
        try
        {
            pump = exec.Start(request, capture, run.Keep, out pid);
        }
        catch (ChannelException e) when (e.Code == ChannelError.NotFound)
        {
            throw new QgaException($"Guest agent command failed, error was 'Failed to execute child process “{path}” (No such file or directory)'");
        }

        run.Ended = pump.Ended;
        // A number that comes again is a new program's, and the last in the order.
        if (Find(pid) is { } old)
        {
            Forget(old);
        }

        run.Pid = pid;
        _runs.Add(run);
        _ = FeedAsync(pump, input);
        call.Json.WriteStartObject();
        call.Json.WriteNumber("pid"u8, pid);
        call.Json.WriteEndObject();
    }

    /// <summary>guest-exec-status; an end that was told is forgotten. The output is sent as it lies, so its length costs no memory.</summary>
    public async ValueTask StatusAsync(QgaCall call)
    {
        var pid = call.Arguments.Integer("pid");
        call.Arguments.End();
        var run = Find(pid) ?? throw new QgaException("Invalid parameter 'pid'");
        // Asked once: it may end in the middle of this, and an end is told by one reply alone.
        if (!run.Ended.IsCompleted)
        {
            call.Json.WriteStartObject();
            call.Json.WriteBoolean("exited"u8, false);
            call.Json.WriteEndObject();
            return;
        }

        var end = await run.Ended.ConfigureAwait(false);
        var how = end.Signal != 0 ? $"\"signal\": {end.Signal}" : $"\"exitcode\": {end.Code}";
        await call.SendAsync(Encoding.ASCII.GetBytes($"{Encoding.ASCII.GetString(QgaCall.ReplyStart)}{{\"exited\": true, {how}")).ConfigureAwait(false);
        await run.SendAsync(call).ConfigureAwait(false);
        call.SentUpTo = "}";
        Forget(run);
    }

    /// <summary>Drops what was kept. Programs go on.</summary>
    public void Dispose()
    {
        foreach (var run in _runs)
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

    private static ExecCapture Capture(QgaArguments arguments)
    {
        var value = arguments.Any("capture-output");
        return value?.Kind switch
        {
            null or JsonTokenType.False => default,
            JsonTokenType.True => ExecCapture.Both,
            JsonTokenType.String => value.AsText() switch
            {
                "none" => default,
                "stdout" => new ExecCapture(true, false),
                "stderr" => new ExecCapture(false, true),
                "separated" => ExecCapture.Both,
                "merged" => new ExecCapture(true, false, IsMerged: true),
                var other => throw new QgaException($"Parameter 'capture-output' does not accept value '{other}'"),
            },
            _ => throw arguments.WrongType("capture-output", "GuestExecCaptureOutput"),
        };
    }

    /// <summary>Forgets the oldest of the ends that are one too many.</summary>
    private void MakeRoom()
    {
        var ends = _runs.FindAll(static run => run.Ended.IsCompleted);
        if (ends.Count >= MaxEnds)
        {
            Forget(ends[0]);
        }
    }

    private Run? Find(long pid) => _runs.Find(run => run.Pid == pid);

    private void Forget(Run run)
    {
        run.Release();
        _runs.Remove(run);
    }

    private sealed class Run(bool output, bool error)
    {
        private readonly QgaOutput? _output = output ? new QgaOutput() : null;
        private readonly QgaOutput? _error = error ? new QgaOutput() : null;

        public long Pid { get; set; }

        public Task<ExecExited> Ended { get; set; } = Task.FromResult(new ExecExited());

        /// <summary>Takes a message of the program's pump: a byte that says what it is, then what was written.</summary>
        public bool Keep(ReadOnlyMemory<byte> message)
        {
            (message.Span[0] == (byte)ExecMessage.Output ? _output : _error)?.Add(message.Span[1..]);
            return true;
        }

        public async ValueTask SendAsync(QgaCall call)
        {
            foreach (var (kept, name) in ((QgaOutput?, string)[])[(_output, "out"), (_error, "err")])
            {
                if (kept is not null)
                {
                    await kept.SendAsync(call, name).ConfigureAwait(false);
                }
            }
        }

        public void Release()
        {
            _output?.Release();
            _error?.Release();
        }
    }
}
