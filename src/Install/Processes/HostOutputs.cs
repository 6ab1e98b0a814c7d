using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Processes;

/// <summary>The pipes that a script writes to, read by one thread; each tells its end by an empty piece.</summary>
/// <param name="pipes">The pipes, and what takes their pieces.</param>
/// <param name="pieceBytes">Most bytes of a piece.</param>
internal sealed class HostOutputs((SafeFileHandle Pipe, Action<ReadOnlyMemory<byte>> Said)[] pipes, int pieceBytes) : IDisposable
{
    private readonly byte[] _buffer = new byte[pieceBytes];

    /// <summary>Whether one of them has not ended.</summary>
    public bool IsOpen => pipes.Any(static o => !o.Pipe.IsClosed);

    /// <summary>Waits until there is something to read, or another file is readable.</summary>
    /// <param name="other">That file; null: none.</param>
    /// <param name="timeoutMs">Most milliseconds.</param>
    public unsafe void Wait(SafeFileHandle? other, int timeoutMs)
    {
        var entries = stackalloc PollFd[pipes.Length + 1];
        var count = 0;
        foreach (var file in pipes.Select(static o => o.Pipe).Append(other))
        {
            if (file is { IsClosed: false })
            {
                entries[count++] = new PollFd { Fd = (int)file.DangerousGetHandle(), Events = Abi.POLLIN };
            }
        }

        _ = DescriptorCalls.Poll(entries, (nuint)count, timeoutMs);
    }

    /// <summary>Reads a piece of each that has one, without waiting.</summary>
    public void Read()
    {
        foreach (var (pipe, said) in pipes.Where(static o => !o.Pipe.IsClosed))
        {
            Read(pipe, said);
        }
    }

    /// <summary>Closes all of them; what is in them is lost.</summary>
    public void Dispose()
    {
        foreach (var (pipe, _) in pipes)
        {
            pipe.Dispose();
        }
    }

    private unsafe void Read(SafeFileHandle pipe, Action<ReadOnlyMemory<byte>> said)
    {
        var entry = new PollFd { Fd = (int)pipe.DangerousGetHandle(), Events = Abi.POLLIN };
        if (DescriptorCalls.Poll(&entry, 1, 0) <= 0)
        {
            return;
        }

        nint count;
        fixed (byte* start = _buffer)
        {
            count = DescriptorCalls.Read(pipe, start, (nuint)_buffer.Length);
        }

        if (count <= 0)
        {
            pipe.Dispose();
        }

        said(_buffer.AsMemory(0, (int)Math.Max(0, count)));
        Array.Clear(_buffer, 0, (int)Math.Max(0, count));
    }
}
