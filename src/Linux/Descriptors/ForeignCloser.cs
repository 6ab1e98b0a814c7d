using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>
/// Closes the descriptors and unmaps the memory that another process has given to one endpoint, on its own thread.
/// Such a close(2) may wait for as long as that process likes: for a socket that lingers, or a file whose file system it serves.
/// </summary>
/// <remarks>
/// The thread is there while there is something to close, and a moment longer. Who takes descriptors asks
/// <see cref="IsFull"/> before, so that a peer whose descriptors cannot be closed gets no more of them open.
/// </remarks>
public sealed class ForeignCloser
{
    /// <summary>With so many waiting, no more should be taken from the peer.</summary>
    public const int Room = 256;

    private const int StackBytes = 128 * 1024;

    /// <summary>How long the thread waits for more, so that a front-end's set-up starts one thread.</summary>
    private static readonly TimeSpan s_linger = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan s_fullPause = TimeSpan.FromMilliseconds(100);

    private readonly object _gate = new();
    private readonly Queue<(nint Value, nuint Length)> _waiting = new();
    private bool _isRunning;

    /// <summary>Whether closing does not keep up with what the peer gives.</summary>
    public bool IsFull => Waiting >= Room;

    /// <summary>What waits to be closed.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Closes a descriptor, soon.</summary>
    public void Close(int fd) => Add(fd, 0);

    /// <summary>Unmaps memory, soon: the time grows with the pages that were touched.</summary>
    public unsafe void Unmap(void* start, nuint length) => Add((nint)start, length);

    /// <summary>Waits until more may be taken from the peer.</summary>
    public async ValueTask WaitForRoomAsync(CancellationToken cancellationToken)
    {
        while (IsFull)
        {
            await Task.Delay(s_fullPause, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Add(nint value, nuint length)
    {
        lock (_gate)
        {
            _waiting.Enqueue((value, length));
            if (_isRunning)
            {
                Monitor.Pulse(_gate);
                return;
            }

            _isRunning = true;
        }

        new Thread(Run, StackBytes) { Name = "channel-close", IsBackground = true }.UnsafeStart();
    }

    private void Run()
    {
        while (true)
        {
            (nint Value, nuint Length) next;
            lock (_gate)
            {
                if (_waiting.Count == 0)
                {
                    _ = Monitor.Wait(_gate, s_linger);
                }

                if (!_waiting.TryDequeue(out next))
                {
                    _isRunning = false;
                    return;
                }
            }

            if (next.Length == 0)
            {
                _ = DescriptorCalls.Close((int)next.Value);
            }
            else
            {
                Unmap(next.Value, next.Length);
            }
        }
    }

    private static unsafe void Unmap(nint start, nuint length) => _ = SystemCalls.Munmap((void*)start, length);
}
