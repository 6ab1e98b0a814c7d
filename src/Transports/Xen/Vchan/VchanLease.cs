using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>
/// A link of another process, over whose begin and end the two speak on a socket. That process is as hostile as the domain: it is waited for once, with a
/// bound, and anything but the one byte that is due ends the lease.
/// </summary>
/// <param name="keys">By which the server was found.</param>
/// <param name="socket">The socket, which is this object's from now on.</param>
/// <param name="parts">What that process is given.</param>
internal sealed class VchanLease(VchanKeys keys, ITransportLink socket, LinkParts parts) : IVchanHold
{
    // By the other process: the memory is mapped. By this one: it still is that of the keys, and may be written.
    internal const byte Mapped = 1;
    internal const byte Free = 2;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] _byte = new byte[1];

    public VchanKeys Keys => keys;

    /// <summary>What the other process is given.</summary>
    public LinkParts Parts => parts;

    public bool IsClosed => _closed.Task.IsCompleted;

    public Task Closed => _closed.Task;

    public PeerIdentity Peer => socket.Peer;

    public void LosePeer() => socket.Abort();

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => socket.ReceiveAsync(buffer);

    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => socket.SendAsync(buffer);

    /// <summary>Waits until the memory is mapped, and lets the other process write to it if the keys are the same ones.</summary>
    /// <param name="areThere">Asks xenstore for the keys.</param>
    public async Task BeginAsync(Func<Task<bool>> areThere)
    {
        try
        {
            var mapped = socket.ReceiveAsync(_byte).AsTask();
            if (await mapped.WaitAsync(s_patience).ConfigureAwait(false) == 1 && _byte[0] == Mapped && await areThere().ConfigureAwait(false))
            {
                _byte[0] = Free;
                await socket.SendAsync(_byte).ConfigureAwait(false);
                _ = WatchAsync();
                return;
            }
        }
        catch (Exception e) when (e is ChannelException or TimeoutException)
        {
            // It has gone, or does not do its part.
        }

        Abort();
    }

    /// <summary>Ends it here; the other process is told.</summary>
    public void Abort()
    {
        socket.Abort();
        _closed.TrySetResult();
    }

    public ValueTask DisposeAsync()
    {
        Abort();
        return ValueTask.CompletedTask;
    }

    private async Task WatchAsync()
    {
        try
        {
            _ = await socket.ReceiveAsync(_byte).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // Ended by this side.
        }

        Abort();
    }
}
