using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>How a program ended that ran under a time limit.</summary>
/// <param name="ExitCode">Its exit code; 128 + a signal's number; 126 if it could not be started.</param>
/// <param name="TimedOut">It was killed, as its time was over or it was told to stop.</param>
/// <param name="Output">The beginning of what it wrote to its output and errors.</param>
/// <param name="OutputCut">Whether it wrote more.</param>
/// <param name="Elapsed">How long it ran.</param>
internal sealed record CapturedResult(int ExitCode, bool TimedOut, string Output, bool OutputCut, TimeSpan Elapsed);

/// <summary>Runs a program with a time limit and a bounded part of its output, on the caller's thread.</summary>
internal static class CapturedProcess
{
    /// <summary>Bytes of output that are kept; the rest is read and dropped, so that the program does not stand still.</summary>
    internal const int MaxOutput = 4096;

    private const int CloseOnExec = 0x80000;
    private const int NoHang = 1;
    private const int LookMilliseconds = 20;

    // A killed program that does not go hangs in the kernel; nobody can wait for it.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(2);

    /// <summary>Runs it to its end, or kills it and its process group.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="limit">How long it may run.</param>
    /// <param name="mustStop">Asked all the time; true kills it at once.</param>
    public static unsafe CapturedResult Run(string program, IReadOnlyList<string> arguments, TimeSpan limit, Func<bool> mustStop)
    {
        int* ends = stackalloc int[2];
        if (Libc.Pipe(ends, CloseOnExec) != 0)
        {
            return new CapturedResult(126, false, "there is no descriptor left for its output", false, TimeSpan.Zero);
        }
        int error;
        int pid;
        using (var output = new SafeFileHandle(ends[1], ownsHandle: true))
        {
            error = ProcessSpawn.Start(ChildProcess.Request(program, arguments) with { Output = output, Error = output, NewSession = true }, out pid);
        }
        if (error != 0)
        {
            _ = Libc.Close(ends[0]);
            return new CapturedResult(126, false, $"it cannot be started: {Marshal.GetPInvokeErrorMessage(error)}", false, TimeSpan.Zero);
        }
        try
        {
            return Attend(pid, ends[0], limit, mustStop);
        }
        finally
        {
            _ = Libc.Close(ends[0]);
        }
    }

    private static CapturedResult Attend(int pid, int pipe, TimeSpan limit, Func<bool> mustStop)
    {
        long start = TimeProvider.System.GetTimestamp();
        var output = new Output(pipe);
        bool killed = false;
        while (true)
        {
            output.Take(LookMilliseconds);
            TimeSpan elapsed = TimeProvider.System.GetElapsedTime(start);
            int waited = Libc.WaitPid(pid, out int status, NoHang);
            if (waited != 0)
            {
                // Descendants may hold the pipe for as long as they like; only what is there now is taken.
                output.Take(0);
                return new CapturedResult(waited < 0 ? 0 : ChildProcess.ExitCode(status), killed, output.Text, output.IsCut, elapsed);
            }
            if (!killed && (elapsed >= limit || mustStop()))
            {
                killed = true;
                limit = elapsed;
                _ = Libc.Kill(-pid, Libc.SigKill);
            }
            if (killed && elapsed >= limit + s_killGrace)
            {
                return new CapturedResult(128 + Libc.SigKill, true, output.Text + "\n(killed, and still there)", output.IsCut, elapsed);
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

        /// <summary>At most <see cref="MaxOutput"/> bytes of UTF-8; bytes that are none take three each.</summary>
        public string Text
        {
            get
            {
                string text = Encoding.UTF8.GetString(_kept, 0, _length);
                return Encoding.UTF8.GetByteCount(text) <= MaxOutput ? text : text[..(MaxOutput / 3)];
            }
        }

        /// <summary>Waits for output at most so long and takes what a pipe holds.</summary>
        public void Take(int milliseconds)
        {
            // struct pollfd: fd, events, revents. Without an open pipe this only waits.
            int* entry = stackalloc int[2] { pipe, 1 };
            for (int i = 0; i < 8 && Libc.Poll(_isOver ? null : entry, _isOver ? 0u : 1u, i == 0 ? milliseconds : 0) > 0; i++)
            {
                nint count;
                fixed (byte* start = _buffer)
                {
                    count = Libc.Read(pipe, start, (nuint)_buffer.Length);
                }
                if (count <= 0)
                {
                    _isOver = true;
                    return;
                }
                int take = Math.Min((int)count, MaxOutput - _length);
                _buffer.AsSpan(0, take).CopyTo(_kept.AsSpan(_length));
                _length += take;
                IsCut |= take < count;
            }
        }
    }
}
