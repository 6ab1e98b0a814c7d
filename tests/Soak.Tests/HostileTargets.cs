using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Soak.Tests;

/// <summary>All that the host has open towards the hostile side: a way in of each kind, and a monitor that it asks again and again.</summary>
internal sealed class HostileTargets : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _monitor;

    /// <summary>Attaches them.</summary>
    /// <param name="host">Where.</param>
    /// <param name="folder">The folder of their sockets.</param>
    /// <param name="workers">How those are attached that have workers, and the link of frames is elsewhere; null: none has one.</param>
    internal HostileTargets(ChannelHost host, string folder, InstanceOptions? workers = null)
    {
        // As on a full disk.
        var options = new InstanceOptions { Audit = static _ => throw new IOException("no space left"), Alarm = static _ => { } };
        if (workers is null)
        {
            host.Attach("link", $"unix://{folder}/guest.sock", options);
        }

        host.Attach("qga", $"qga://{folder}/qga.sock", options);
        host.Attach("vsock", $"vhost-vsock://{folder}/vsock.sock?cid=3&port=5000&source-ports=any", options);
        host.Attach("reserved", $"vhost-vsock://{folder}/reserved.sock?cid=3&port=5000", options);
        host.Attach("usernet", $"usernet://{folder}/usernet.sock", workers ?? options);
        _monitor = AskMonitorAsync(Path.Combine(folder, "qmp.sock"));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _monitor;
        _stop.Dispose();
    }

    private async Task AskMonitorAsync(string path)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var soon = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                soon.CancelAfter(TimeSpan.FromSeconds(1));
                await using var client = await QmpClient.ConnectAsync(path, soon.Token);
                await client.ExecuteAsync("query-status", cancellationToken: soon.Token);
            }
            catch (Exception e) when (e is ChannelException or OperationCanceledException)
            {
                await Task.Delay(s_pause, CancellationToken.None);
            }
        }
    }
}
