using System.Net;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Metadata;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Relay;

/// <summary>
/// Serves the host's HTTP metadata inside a guest that has no link-local NIC: accepts on 169.254.169.254:80, an address that
/// it gives to the loopback device, and carries each connection through the channel. It reads nothing of what it carries.
/// </summary>
/// <param name="channel">The channel to the host.</param>
/// <param name="log">The log.</param>
internal sealed class MetadataRelay(Channel channel, AgentLog log) : IAsyncDisposable
{
    /// <summary>Connections at a time; more wait in the kernel's queue.</summary>
    private const int MaxConnections = 16;

    /// <summary>How long a connection waits for a host that is not there (a boot that is ahead of it, a reconnect).</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _room = new(MaxConnections);
    private TcpAcceptor? _acceptor;
    private Task _accepting = Task.CompletedTask;

    /// <summary>Begins to serve. A failure is logged; the agent does its other work without it.</summary>
    /// <param name="address">Where clients look for metadata.</param>
    /// <param name="port">1 to 65535.</param>
    public void Start(IPAddress address, int port)
    {
        try
        {
            if (!IPAddress.IsLoopback(address))
            {
                LocalAddress.Add(address);
            }

            _acceptor = new TcpAcceptor(address, port);
        }
        catch (ChannelException e)
        {
            log.Warning($"no metadata relay: {e.Message}");
            return;
        }

        _accepting = AcceptAsync(_acceptor.AcceptAsync, link => _ = ServeAsync(link), log, _room, _stopping.Token);
        log.Info($"metadata relay on {address}:{port}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        _acceptor?.Dispose();
    }

    /// <summary>Accepts until it is stopped: what fails a connection, or the acceptance of one, fails no other.</summary>
    internal static async Task AcceptAsync(
        Func<CancellationToken, ValueTask<ITransportLink>> accept, Action<ITransportLink> serve, AgentLog log, SemaphoreSlim room, CancellationToken stopping)
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
                    log.Debug($"the metadata relay could not accept a connection: {e.Message}");
                    await Task.Delay(s_pause, stopping).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    private async Task ServeAsync(ITransportLink link)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            patience.CancelAfter(s_patience);
            await channel.WaitReadyAsync(patience.Token).ConfigureAwait(false);
            var stream = await channel.OpenStreamAsync(MetadataMethods.Relay, new MetadataRelayRequest(),
                cancellationToken: _stopping.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                var sending = ToHostAsync(link, stream);
                await ToClientAsync(stream, link).ConfigureAwait(false);
                // The answer has ended, and with it the exchange: further bytes of the client are dropped.
                link.Abort();
                await sending.ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            log.Debug($"a relayed connection ended: {e.Message}");
        }
        finally
        {
            await link.DisposeAsync().ConfigureAwait(false);
            _room.Release();
        }
    }

    private async Task ToHostAsync(ITransportLink link, ChannelStream stream)
    {
        // A request of a metadata client fits; the pool would keep larger ones for good.
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
