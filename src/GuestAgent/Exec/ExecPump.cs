using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>
/// One program's standard streams and its end, on one thread of its own: what the host does not take is not read, so the
/// program waits.
/// </summary>
internal sealed class ExecPump : IDisposable
{
    private const int MaxOutput = 32 << 10;
    // More than two largest pipes hold; what somebody in the background writes on does not belong to the program.
    private const int MaxAfterEnd = 80;
    private readonly ExecProcess _process;
    private readonly Func<ReadOnlyMemory<byte>, bool> _send;
    private readonly SafeFileHandle _wake;
    private readonly byte[] _buffer = new byte[MaxOutput + 1];
    private readonly TaskCompletionSource<ExecExited> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private ReadOnlyMemory<byte> _input;
    private TaskCompletionSource? _inputTaken;
    private bool _isOver;

    /// <summary>Makes a pump; <see cref="Start"/> begins.</summary>
    /// <param name="process">What was started; disposed of at its end.</param>
    /// <param name="send">Sends a message and waits until it is taken; false when nobody will take any more.</param>
    public ExecPump(ExecProcess process, Func<ReadOnlyMemory<byte>, bool> send)
    {
        (_process, _send) = (process, send);
        _wake = ProcessCalls.Event() ?? throw FileFailure.OfLast("watch", "the program");
    }

    /// <summary>The program's end, when its last output was sent.</summary>
    public Task<ExecExited> Ended => _ended.Task;

    public void Start() => new Thread(Run, 128 << 10) { IsBackground = true, Name = "channel-exec" }.Start();

    /// <summary>
    /// Gives the program input; ends when it was taken, or the program does not read any more. One at a time. Nothing is the
    /// input's end.
    /// </summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        Task taken = Offer(input);
        using CancellationTokenRegistration _ = cancellationToken.UnsafeRegister(static pump => ((ExecPump)pump!).DropInput(), this);
        await taken.ConfigureAwait(false);
    }

    private Task Offer(ReadOnlyMemory<byte> input)
    {
        lock (_gate)
        {
            if (_isOver || _process.Input.IsClosed || input.IsEmpty)
            {
                if (input.IsEmpty)
                {
                    _process.Input.Dispose();
                }
                return Task.CompletedTask;
            }
            _input = input;
            _inputTaken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Wake();
            return _inputTaken.Task;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _wake.Dispose();

    private unsafe void Run()
    {
        ExecExited? exited = null;
        int afterEnd = 0;
        ProcessCalls.PollFd* fds = stackalloc ProcessCalls.PollFd[5];
        while (true)
        {
            fds[0] = Watch(_wake, ProcessCalls.PollIn);
            fds[1] = Watch(_process.Output, ProcessCalls.PollIn);
            fds[2] = Watch(_process.Error, ProcessCalls.PollIn);
            fds[3] = exited is null ? Watch(_process.PidFd, ProcessCalls.PollIn) : Watch(null, 0);
            fds[4] = HasInput() ? Watch(_process.Input, ProcessCalls.PollOut) : Watch(null, 0);
            // After the end only what is in the pipes already is taken: somebody in the background may hold them open.
            int timeout = exited is not null ? 0 : _process.PidFd is null ? 50 : -1;
            int ready = ProcessCalls.Poll(fds, 5, timeout);
            if (ready < 0 && FileFailure.Last == FileFailure.Eintr)
            {
                continue;
            }
            DrainWake(fds[0].Result);
            bool moved = Take(_process.Output, fds[1].Result, ExecMessage.Output) | Take(_process.Error, fds[2].Result, ExecMessage.Error);
            if (fds[4].Result != 0)
            {
                Feed();
            }
            if (exited is not null && (!moved || ++afterEnd > MaxAfterEnd))
            {
                break;
            }
            exited ??= _process.TryReap();
        }
        Finish(exited);
    }

    private void Finish(ExecExited exited)
    {
        lock (_gate)
        {
            _isOver = true;
            _inputTaken?.TrySetResult();
        }
        _process.Dispose();
        _ended.SetResult(exited);
    }

    /// <summary>The memory of the input belongs to the caller again.</summary>
    private void DropInput()
    {
        lock (_gate)
        {
            _input = default;
            _inputTaken?.TrySetCanceled();
        }
    }

    private static ProcessCalls.PollFd Watch(SafeFileHandle? file, short events) => new()
    {
        // A negative number is passed over by poll(2).
        Fd = file is null || file.IsClosed ? -1 : (int)file.DangerousGetHandle(),
        Events = events,
    };

    private bool HasInput()
    {
        lock (_gate)
        {
            return !_input.IsEmpty && !_process.Input.IsClosed;
        }
    }

    private unsafe bool Take(SafeFileHandle? pipe, short ready, ExecMessage kind)
    {
        if (ready == 0 || pipe is null || pipe.IsClosed)
        {
            return false;
        }
        nint count;
        fixed (byte* buffer = _buffer)
        {
            count = ProcessCalls.Read(pipe, buffer + 1, MaxOutput);
        }
        if (count <= 0)
        {
            pipe.Dispose();
            return false;
        }
        _buffer[0] = (byte)kind;
        _send(_buffer.AsMemory(0, (int)count + 1));
        return true;
    }

    private unsafe void Feed()
    {
        lock (_gate)
        {
            if (_input.IsEmpty || _process.Input.IsClosed)
            {
                return;
            }
            nint count;
            fixed (byte* input = _input.Span)
            {
                count = ProcessCalls.Write(_process.Input, input, (nuint)_input.Length);
            }
            if (count < 0 && FileFailure.Last is FileFailure.Eagain or FileFailure.Eintr)
            {
                return;
            }
            if (count < 0)
            {
                // It has closed its standard input. What comes is thrown away, as a pipe does.
                _process.Input.Dispose();
            }
            _input = count < 0 ? default : _input[(int)count..];
            if (_input.IsEmpty)
            {
                _inputTaken!.TrySetResult();
            }
        }
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = ProcessCalls.Write(_wake, (byte*)&one, sizeof(ulong));
    }

    private unsafe void DrainWake(short ready)
    {
        ulong counter;
        if (ready != 0)
        {
            _ = ProcessCalls.Read(_wake, (byte*)&counter, sizeof(ulong));
        }
    }
}
