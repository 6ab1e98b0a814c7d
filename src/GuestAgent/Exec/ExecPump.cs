using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>
/// One program's standard streams and its end, on its own thread: it reads no output that the host does not take, so the
/// program waits.
/// </summary>
internal sealed class ExecPump : IDisposable
{
    private const int Watched = 6;
    // More than two largest pipes hold; further output of background processes does not belong to the program.
    private const int MaxAfterEnd = 80;
    private readonly ExecProcess _process;
    private readonly Func<ReadOnlyMemory<byte>, bool> _send;
    private readonly Action<ReadOnlyMemory<byte>>? _onExtra;
    private readonly SafeFileHandle _wake;
    private readonly byte[] _buffer;
    private readonly TaskCompletionSource<ExecExited> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private ReadOnlyMemory<byte> _input;
    private TaskCompletionSource<bool>? _inputTaken;
    private bool _isOver;

    /// <summary>Makes a pump; <see cref="Start"/> begins.</summary>
    /// <param name="process">What was started; disposed of at its end.</param>
    /// <param name="send">Sends a message and waits until it is taken; false when no further ones will be.</param>
    /// <param name="onExtra">Told what the program writes to its further descriptor, and nothing at the end of that, on the pump's thread.</param>
    public ExecPump(ExecProcess process, Func<ReadOnlyMemory<byte>, bool> send, Action<ReadOnlyMemory<byte>>? onExtra = null)
    {
        (_process, _send, _onExtra) = (process, send, onExtra);
        _buffer = new byte[process.PieceBytes + 1];
        _wake = Descriptor.Event() ?? throw FileFailure.OfLast("watch", "the program");
    }

    /// <summary>The program's end, when its last output was sent.</summary>
    public Task<ExecExited> Ended => _ended.Task;

    /// <summary>After the program's end: bytes of its input that it has not read.</summary>
    public int UnreadInput { get; private set; }

    public void Start() => new Thread(Run, 128 << 10) { IsBackground = true, Name = "channel-exec" }.Start();

    /// <summary>
    /// Gives the program input; ends when it was taken, or the program does not read any more. One at a time. Nothing is the
    /// input's end.
    /// </summary>
    /// <returns>Whether the program reads: false once it has closed its input, or has ended.</returns>
    public async Task<bool> WriteAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        var taken = Offer(input);
        using var _ = cancellationToken.UnsafeRegister(static pump => ((ExecPump)pump!).DropInput(), this);
        return await taken.ConfigureAwait(false);
    }

    private Task<bool> Offer(ReadOnlyMemory<byte> input)
    {
        lock (_gate)
        {
            if (_isOver || _process.Input.IsClosed || input.IsEmpty)
            {
                if (input.IsEmpty)
                {
                    _process.EndInput();
                }

                return Task.FromResult(input.IsEmpty);
            }

            _input = input;
            _inputTaken = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            // Most often there is room, and no other thread is needed.
            Feed();
            if (!_input.IsEmpty)
            {
                Wake();
            }

            return _inputTaken.Task;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _wake.Dispose();

    private unsafe void Run()
    {
        ExecExited? exited = null;
        var afterEnd = 0;
        var fds = stackalloc PollFd[Watched];
        while (true)
        {
            fds[0] = Watch(_wake, Abi.POLLIN);
            fds[1] = Watch(_process.Output, Abi.POLLIN);
            fds[2] = Watch(_process.Error, Abi.POLLIN);
            fds[3] = exited is null ? Watch(_process.PidFd, Abi.POLLIN) : Watch(null, 0);
            fds[4] = HasInput() ? Watch(_process.Input, Abi.POLLOUT) : Watch(null, 0);
            fds[5] = Watch(_process.Extra, Abi.POLLIN);
            // After the end only the present bytes are read: a background process may hold the pipes open.
            var timeout = exited is not null ? 0 : _process.PidFd is null ? 50 : -1;
            var ready = DescriptorCalls.Poll(fds, Watched, timeout);
            if (ready < 0 && Errno.Last == Errno.EINTR)
            {
                continue;
            }

            DrainWake(fds[0].Result);
            // What is written to the further descriptor comes before the output that it is about.
            var moved = Forward(_process.Extra, fds[5].Result, null)
                | Forward(_process.Output, fds[1].Result, ExecMessage.Output) | Forward(_process.Error, fds[2].Result, ExecMessage.Error);
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
            _inputTaken?.TrySetResult(false);
            UnreadInput = _process.UnreadInput;
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

    private static PollFd Watch(SafeFileHandle? file, short events) => new()
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

    private unsafe bool Forward(SafeFileHandle? pipe, short ready, ExecMessage? kind)
    {
        if (ready == 0 || pipe is null || pipe.IsClosed)
        {
            return false;
        }

        nint count;
        fixed (byte* buffer = _buffer)
        {
            count = DescriptorCalls.Read(pipe, buffer + 1, (nuint)_buffer.Length - 1);
        }

        if (count <= 0)
        {
            pipe.Dispose();
        }

        if (kind is null)
        {
            _onExtra?.Invoke(_buffer.AsMemory(1, (int)Math.Max(0, count)));
        }
        else if (count > 0)
        {
            _buffer[0] = (byte)kind;
            _send(_buffer.AsMemory(0, (int)count + 1));
        }

        return count > 0;
    }

    private void Feed()
    {
        lock (_gate)
        {
            if (_input.IsEmpty || _process.Input.IsClosed)
            {
                return;
            }

            var count = Descriptor.Write(_process.Input, _input.Span);
            if (count is null)
            {
                // It has closed its standard input. Further bytes are dropped, as by a pipe.
                _process.Input.Dispose();
            }

            _input = count is { } taken ? _input[taken..] : default;
            if (_input.IsEmpty)
            {
                _inputTaken!.TrySetResult(count is not null);
            }
        }
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = DescriptorCalls.Write(_wake, (byte*)&one, sizeof(ulong));
    }

    private unsafe void DrainWake(short ready)
    {
        ulong counter;
        if (ready != 0)
        {
            _ = DescriptorCalls.Read(_wake, (byte*)&counter, sizeof(ulong));
        }
    }
}
