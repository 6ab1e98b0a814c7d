using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Logging;

/// <summary>
/// Where log lines go. It never waits: a reader that stands still (a journal, a pager) must not hold up a thaw that has a
/// line to write. Not thread-safe.
/// </summary>
/// <param name="fd">The stream, standard error for instance.</param>
internal sealed class LogOutput(int fd)
{
    private int _lost;

    /// <summary>Writes a line, or counts it as lost if the stream takes none now; the number is written before the next line.</summary>
    public void Write(string line)
    {
        if (!TakesMore())
        {
            _lost++;
            return;
        }

        if (_lost > 0)
        {
            StandardStream.WriteLine(fd, $"channel-agent: warning: {_lost} log lines are lost: the reader did not take those before them");
            _lost = 0;
            if (!TakesMore())
            {
                _lost++;
                return;
            }
        }

        StandardStream.WriteLine(fd, line);
    }

    // A pipe that says so has room for 4 KiB, and a socket for more: a line is shorter.
    private unsafe bool TakesMore()
    {
        var entry = new PollFd { Fd = fd, Events = Abi.POLLOUT };
        int ready;
        do
        {
            ready = DescriptorCalls.Poll(&entry, 1, 0);
        }
        while (ready < 0 && Errno.Last == Errno.EINTR);
        // An error is the write's to find.
        return ready != 0;
    }
}
