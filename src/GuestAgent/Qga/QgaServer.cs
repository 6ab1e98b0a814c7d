using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// The QEMU guest agent's protocol on a virtio port or a Unix socket. What libvirt, Proxmox and scripts know of a guest's
/// agent works with this one.
/// </summary>
/// <param name="setting">Where.</param>
/// <param name="commands">What can be called.</param>
/// <param name="newClient">Makes what belongs to a client.</param>
/// <param name="log">The log.</param>
/// <param name="time">All clocks.</param>
internal sealed class QgaServer(QgaSetting setting, QgaCommands commands, Func<QgaClientSession> newClient, AgentLog log, TimeProvider time) : IAsyncDisposable
{
    private const int MaxClients = 8;
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(5);
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _places = new(MaxClients);
    private readonly List<ITransportLink> _links = [];
    private readonly QgaMemory _memory = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Begins to serve; a port that is missing or another program's is looked for again.</summary>
    public void Start()
    {
        if (setting.Uri is { } uri)
        {
            _running = RunAsync(TransportEndpoints.Create(uri));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        lock (_links)
        {
            _links.ForEach(static link => link.Abort());
        }

        await _running.ConfigureAwait(false);
    }

    private async Task RunAsync(ITransportEndpoint endpoint)
    {
        await using (endpoint.ConfigureAwait(false))
        {
            using var host = newClient();
            var said = "";
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    await _places.WaitAsync(_stop.Token).ConfigureAwait(false);
                    var link = await OpenAsync(endpoint).ConfigureAwait(false);
                    said = "";
                    log.Debug($"QEMU guest agent protocol: a client at {endpoint.Uri}");
                    var serving = setting.IsSocket ? ServeAloneAsync(link) : ServeAsync(link, host);
                    // A port has one client at a time; of a socket's the next is let in at once.
                    await (setting.IsSocket ? Task.CompletedTask : serving).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                catch (Exception e)
                {
                    // Any exception: the port is served again.
                    said = Say(e, said);
                    await Task.Delay(s_retry, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private async Task<ITransportLink> OpenAsync(ITransportEndpoint endpoint)
    {
        try
        {
            return await endpoint.OpenAsync(_stop.Token).ConfigureAwait(false);
        }
        catch
        {
            _places.Release();
            throw;
        }
    }

    private string Say(Exception e, string said)
    {
        if (e.Message != said && !(setting.IsAuto && e is ChannelException { Code: ChannelError.EndpointMissing }))
        {
            log.Info($"QEMU guest agent protocol: {e.Message}");
        }

        return e.Message;
    }

    private async Task ServeAloneAsync(ITransportLink link)
    {
        using var client = newClient();
        await ServeAsync(link, client).ConfigureAwait(false);
    }

    private async Task ServeAsync(ITransportLink link, QgaClientSession client)
    {
        lock (_links)
        {
            _links.Add(link);
        }

        if (_stop.IsCancellationRequested)
        {
            link.Abort();
        }

        try
        {
            await new QgaConnection(link, client, commands, _memory, time).ServeAsync().ConfigureAwait(false);
        }
        finally
        {
            lock (_links)
            {
                _links.Remove(link);
            }

            _places.Release();
        }
    }
}
