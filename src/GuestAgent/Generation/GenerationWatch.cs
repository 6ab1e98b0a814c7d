using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>Reads the page and waits for its change, as any user and without the agent.</summary>
internal sealed class GenerationWatch : IDisposable
{
    private readonly SafeFileHandle _page;
    private readonly SafeFd _changes;

    /// <summary>Opens it.</summary>
    /// <param name="path">Where it is.</param>
    /// <exception cref="IOException">There is none, or it cannot be watched.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not read it.</exception>
    public GenerationWatch(string path)
    {
        _page = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        // Before the first look: a change behind that one is in the queue.
        _changes = new SafeFd(FileCalls.InotifyInit1(Abi.O_CLOEXEC | Abi.O_NONBLOCK));
        if (_changes.IsInvalid || FileCalls.InotifyAddWatch(_changes, path, Abi.IN_MODIFY) < 0)
        {
            throw new IOException($"it cannot be watched: {Errno.Describe(Errno.Last)}");
        }
    }

    /// <summary>Waits until the page has another generation than one, and can be read.</summary>
    /// <param name="old">16 bytes; null takes any.</param>
    /// <param name="limit">How long; null waits without limit.</param>
    /// <returns>What it has; null if the time was over.</returns>
    public unsafe GenerationReading? Wait(byte[]? old, TimeSpan? limit)
    {
        var end = limit is { } time ? Environment.TickCount64 + (long)time.TotalMilliseconds : long.MaxValue;
        while (true)
        {
            if (GenerationReading.Of(_page) is { } reading && (old is null || !reading.Generation.AsSpan().SequenceEqual(old)))
            {
                return reading;
            }

            var left = end == long.MaxValue ? -1 : Math.Min(end - Environment.TickCount64, int.MaxValue);
            if (left == 0 || (left < 0 && limit is not null))
            {
                return null;
            }

            var entry = new PollFd { Fd = (int)_changes.DangerousGetHandle(), Events = Abi.POLLIN };
            if (DescriptorCalls.Poll(&entry, 1, (int)left) > 0)
            {
                Drain();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _page.Dispose();
        _changes.Dispose();
    }

    private unsafe void Drain()
    {
        const int room = 512;
        var events = stackalloc byte[room];
        while (DescriptorCalls.Read(_changes, events, room) > 0)
        {
        }
    }
}
