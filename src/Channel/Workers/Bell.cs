using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// How a worker and its supervisor wake each other: a byte on a socket pair, each end of which is a file description of its own, so that
/// neither can make the other's calls wait. Its end is the other process's end.
/// </summary>
/// <param name="link">The socket.</param>
/// <param name="faults">Where unexpected failures go.</param>
internal sealed class Bell(ITransportLink link, FaultReporter faults)
{
    private readonly byte[] _byte = [1];
    private readonly byte[] _received = new byte[64];
    private int _rings;

    /// <summary>Wakes the other process. It never waits: while the socket is full, the other has bytes that wake it.</summary>
    public void Ring()
    {
        if (Interlocked.Increment(ref _rings) == 1)
        {
            RingOn();
        }
    }

    /// <summary>Sleeps until the other process rings. False: it has ended.</summary>
    public async ValueTask<bool> WaitAsync() => await link.ReceiveAsync(_received).ConfigureAwait(false) > 0;

    /// <summary>Ends it; a wait ends with false or throws.</summary>
    public void Abort() => link.Abort();

    private void RingOn()
    {
        int seen;
        do
        {
            // What was written before this is seen by the process that this byte wakes.
            seen = Volatile.Read(ref _rings);
            var send = link.SendAsync(_byte);
            if (!send.IsCompletedSuccessfully)
            {
                _ = faults.ObserveAsync(FinishAsync(send, seen));
                return;
            }

            _ = send.Result;
        }
        while (Interlocked.Add(ref _rings, -seen) > 0);
    }

    private async Task FinishAsync(ValueTask<int> send, int seen)
    {
        try
        {
            await send.ConfigureAwait(false);
        }
        catch (Protocol.Errors.ChannelException)
        {
            // The other process has ended, which the wait tells.
            return;
        }

        if (Interlocked.Add(ref _rings, -seen) > 0)
        {
            RingOn();
        }
    }
}
