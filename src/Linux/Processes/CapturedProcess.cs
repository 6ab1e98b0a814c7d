using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Processes;

/// <summary>How a program ended that ran under a time limit.</summary>
/// <param name="ExitCode">Its exit code; 128 + a signal's number; 126 if it could not be started.</param>
/// <param name="TimedOut">It was killed, as its time was over or it was told to stop.</param>
/// <param name="Output">The beginning of what it wrote to its output and errors.</param>
/// <param name="OutputCut">Whether it wrote more.</param>
/// <param name="Elapsed">How long it ran.</param>
public sealed record CapturedResult(int ExitCode, bool TimedOut, string Output, bool OutputCut, TimeSpan Elapsed);

/// <summary>Runs a program with a time limit and a bounded part of its output, on the caller's thread.</summary>
public static class CapturedProcess
{
    /// <summary>Bytes of output that are kept; the rest is read and dropped, so that the program does not stand still.</summary>
    public const int MaxOutput = 4096;

    private const int LookMilliseconds = 20;

    // A killed program that does not end hangs in the kernel; a wait for it has no end.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(2);

    /// <summary>Runs it to its end, or kills it and its process group.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="limit">How long it may run.</param>
    /// <param name="mustStop">Asked all the time; true kills it at once.</param>
    public static CapturedResult Run(string program, IReadOnlyList<string> arguments, TimeSpan limit, Func<bool> mustStop)
    {
        if (Descriptor.Pipe() is not var (read, write))
        {
            return new CapturedResult(126, false, "there is no descriptor left for its output", false, TimeSpan.Zero);
        }

        using (read)
        {
            int error;
            int pid;
            using (write)
            {
                error = ProcessSpawn.Start(ChildProcess.Request(program, arguments) with { Output = write, Error = write, NewSession = true }, out pid);
            }

            return error == 0
                ? Attend(pid, (int)read.DangerousGetHandle(), limit, mustStop)
                : new CapturedResult(126, false, $"it cannot be started: {Errno.Message(error)}", false, TimeSpan.Zero);
        }
    }

    private static CapturedResult Attend(int pid, int pipe, TimeSpan limit, Func<bool> mustStop)
    {
        var start = TimeProvider.System.GetTimestamp();
        var output = new Output(pipe);
        var killed = false;
        while (true)
        {
            output.Read(LookMilliseconds);
            var elapsed = TimeProvider.System.GetElapsedTime(start);
            var waited = ProcessCalls.WaitPid(pid, out var status, Abi.WNOHANG);
            if (waited != 0)
            {
                // Descendants may hold the pipe open; only the present bytes are read.
                output.Read(0);
                return new CapturedResult(waited < 0 ? 0 : ChildProcess.ExitCode(status), killed, output.Text, output.IsCut, elapsed);
            }

            if (!killed && (elapsed >= limit || mustStop()))
            {
                killed = true;
                limit = elapsed;
                _ = ProcessCalls.Kill(-pid, Abi.SIGKILL);
            }

            if (killed && elapsed >= limit + s_killGrace)
            {
                return new CapturedResult(128 + Abi.SIGKILL, true, output.Text + "\n(killed, and still there)", output.IsCut, elapsed);
            }
        }
    }

    private sealed unsafe class Output(int pipe)
    {
        private readonly byte[] _kept = new byte[MaxOutput];
        private readonly byte[] _buffer = new byte[16 << 10];
        private int _length;
        private bool _isOver;

        public bool IsCut { get; private set; }

        /// <summary>At most <see cref="MaxOutput"/> bytes of UTF-8; an invalid byte takes three.</summary>
        public string Text
        {
            get
            {
                var text = Encoding.UTF8.GetString(_kept, 0, _length);
                return Encoding.UTF8.GetByteCount(text) <= MaxOutput ? text : text[..(MaxOutput / 3)];
            }
        }

        /// <summary>Waits for output at most so long and takes what a pipe holds.</summary>
        public void Read(int milliseconds)
        {
            var entry = new PollFd { Fd = pipe, Events = Abi.POLLIN };
            // Without an open pipe this only waits.
            for (var i = 0; i < 8 && DescriptorCalls.Poll(_isOver ? null : &entry, _isOver ? 0u : 1u, i == 0 ? milliseconds : 0) > 0; i++)
            {
                nint count;
                fixed (byte* start = _buffer)
                {
                    count = DescriptorCalls.Read(pipe, start, (nuint)_buffer.Length);
                }

                if (count <= 0)
                {
                    _isOver = true;
                    return;
                }

                var take = Math.Min((int)count, MaxOutput - _length);
                _buffer.AsSpan(0, take).CopyTo(_kept.AsSpan(_length));
                _length += take;
                IsCut |= take < count;
            }
        }
    }
}
