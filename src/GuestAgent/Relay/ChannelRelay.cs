using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Relay;

/// <summary>Carries connections that programs of the guest make to it through the channel, a stream for each. It reads nothing of what it carries.</summary>
/// <param name="name">What it is in the log.</param>
/// <param name="open">Opens the stream of a connection.</param>
/// <param name="channel">The channel to the host.</param>
/// <param name="log">The log.</param>
internal sealed class ChannelRelay(string name, Func<CancellationToken, ValueTask<ChannelStream>> open, Channel channel, AgentLog log) : IAsyncDisposable
{
    /// <summary>How long a connection waits for a host that is not there (a boot that is ahead of it, a reconnect).</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _stopping = new();
    private SemaphoreSlim? _room;
    private TcpAcceptor? _acceptor;
    private Task _accepting = Task.CompletedTask;

    /// <summary>Connections at a time; more wait in the kernel's queue. It is 16 unless it is set.</summary>
    public int MaxConnections { get; init; } = 16;

    /// <summary>How long a client may go on to send when the host has ended its direction. Zero: its further bytes are dropped.</summary>
    public TimeSpan LastWords { get; init; }

    /// <summary>Begins to serve what connects to a listener, which it owns from now on.</summary>
    public void Start(TcpAcceptor acceptor)
    {
        (_acceptor, _room) = (acceptor, new SemaphoreSlim(MaxConnections));
        _accepting = AcceptAsync(acceptor.AcceptAsync, link => _ = ServeAsync(link));
    }

    /// <summary>Ends it, with the connections that it carries.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        _acceptor?.Dispose();
    }

    private Task AcceptAsync(Func<CancellationToken, ValueTask<ITransportLink>> accept, Action<ITransportLink> serve) =>
        AcceptAsync(accept, serve, name, log, _room!, _stopping.Token);

    /// <summary>Accepts until it is stopped: what fails a connection, or the acceptance of one, fails no other.</summary>
    internal static async Task AcceptAsync(
        Func<CancellationToken, ValueTask<ITransportLink>> accept, Action<ITransportLink> serve, string name, AgentLog log, SemaphoreSlim room, CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await room.WaitAsync(stopping).ConfigureAwait(false);
                try
                {
                    serve(await accept(stopping).ConfigureAwait(false));
                }
                catch (ChannelException e)
                {
                    // A connection that ended before it was accepted, or no descriptor to be had just now.
                    room.Release();
                    log.Debug($"the {name} could not accept a connection: {e.Message}");
                    await Task.Delay(s_pause, stopping).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It is stopped.
        }
    }

    private async Task ServeAsync(ITransportLink link)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            patience.CancelAfter(s_patience);
            await channel.WaitReadyAsync(patience.Token).ConfigureAwait(false);
            var stream = await open(_stopping.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                using var stop = _stopping.Token.UnsafeRegister(static link => ((ITransportLink)link!).Abort(), link);
                var sending = ToHostAsync(link, stream);
                await ToClientAsync(stream, link).ConfigureAwait(false);
                await sending.WaitAsync(LastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                link.Abort();
                await sending.ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            log.Debug($"a connection of the {name} ended: {e.Message}");
        }
        finally
        {
            await link.DisposeAsync().ConfigureAwait(false);
            _room!.Release();
        }
    }

    private async Task ToHostAsync(ITransportLink link, ChannelStream stream)
    {
        // The request of most clients fits; the pool would keep larger ones for good.
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var count = await link.ReceiveAsync(buffer).ConfigureAwait(false);
                if (count == 0)
                {
                    await stream.CompleteAsync(_stopping.Token).ConfigureAwait(false);
                    return;
                }

                await stream.WriteAsync(buffer.AsMemory(0, count), _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            // The other direction ends with its own error, or has ended already.
        }
    }

    private async Task ToClientAsync(ChannelStream stream, ITransportLink link)
    {
        while (true)
        {
            using var message = await stream.ReadAsync(_stopping.Token).ConfigureAwait(false);
            if (message.IsEnd)
            {
                (link as IHalfClose)?.CompleteSend();
                return;
            }

            for (var rest = message.Memory; !rest.IsEmpty;)
            {
                rest = rest[await link.SendAsync(rest).ConfigureAwait(false)..];
            }
        }
    }
}
