using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// Stands in for an agent, in the host's process: the other end of the instance's channel, which serves its calls by
/// commands to qemu-ga. The channel's link is there while qemu-ga answers.
/// </summary>
internal sealed class QgaBridge : IAsyncDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(5);
    private readonly InMemoryPair _pair = new(name: "qga");
    private readonly CancellationTokenSource _stop = new();
    private readonly QgaFreezeGuard _freeze;
    private readonly Channel _channel;
    private readonly QgaGate _gate;
    private readonly string _uri;
    private readonly TimeProvider _time;
    private Task _watching = Task.CompletedTask;
    private bool _isStarted;

    public QgaBridge(QgaClient client, string uri, Action<string> alarm, TimeProvider time)
    {
        (Client, _uri, _time) = (client, uri, time);
        _freeze = new QgaFreezeGuard(client, (state, until) => _channel?.SetState(state, until), text => alarm($"{uri}: {text}"), time);
        var services = new ServiceRegistry();
        QgaServices.Register(services, client, _freeze, time);
        _gate = new QgaGate(_pair.Guest);
        _channel = new Channel(PeerRole.Guest, _gate, services, time: time);
        _channel.SetState(StateWord.Ready);
    }

    /// <summary>The way to qemu-ga.</summary>
    public QgaClient Client { get; }

    /// <summary>A link to this end, once qemu-ga answers. What keeps it from that is thrown, to be told and tried again.</summary>
    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        await Client.SyncAsync(s_look, cancellationToken).ConfigureAwait(false);
        if (!_isStarted)
        {
            _isStarted = true;
            _channel.Start();
            _watching = WatchAsync();
        }

        _gate.Open();
        return await _pair.Host.OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        // No lease thaws such a guest.
        await _freeze.DisposeAsync().ConfigureAwait(false);
        await _channel.DisposeAsync().ConfigureAwait(false);
        await _pair.DisposeAsync().ConfigureAwait(false);
        await Client.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(s_look, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Client.IsBusy || !_gate.IsOpen || _stop.IsCancellationRequested)
            {
                continue;
            }

            try
            {
                await Client.CallAsync("guest-ping", null, s_look, _stop.Token).ConfigureAwait(false);
            }
            catch (ChannelException e) when (e.Code != ChannelError.Unsupported)
            {
                // An agent that blocks pings answers all the same.
                _gate.Close();
                _channel.DropLink($"{_uri}: {e.Message}");
            }
            catch (ChannelException)
            {
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
