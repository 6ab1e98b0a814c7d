using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Soak.Tests;

/// <summary>Well-behaved instances that are pinged all the time; their guests are in this process.</summary>
internal sealed class QuietInstances : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);

    private readonly List<Channel> _guests = [];
    private readonly List<Instance> _instances = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<double> _times = [];
    private readonly Lock _gate = new();
    private Task _pings = Task.CompletedTask;
    private long _disconnected;

    internal QuietInstances(ChannelHost host, string folder, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var services = new ServiceRegistry();
            services.Unary(InfoMethods.Ping, static (request, _) => ValueTask.FromResult(new PingReply { Payload = request.Payload }));
            var guest = new Channel(PeerRole.Guest, TransportEndpoints.Create($"unix-listen://{folder}/quiet{i}.sock"), services);
            guest.SetState(StateWord.Ready);
            guest.Start();
            _guests.Add(guest);
            _instances.Add(host.Attach($"quiet{i}", $"unix://{folder}/quiet{i}.sock"));
        }
    }

    /// <summary>Links lost and calls failed since the start.</summary>
    internal long Disconnected => Volatile.Read(ref _disconnected);

    internal async Task StartAsync()
    {
        foreach (var instance in _instances)
        {
            await instance.WaitReadyAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        }

        _pings = Task.WhenAll(_instances.Select(PingAsync).Concat(_instances.Select(WatchAsync)));
    }

    /// <summary>The 99th percentile of the pings since the last call, in milliseconds.</summary>
    internal double TakeP99()
    {
        lock (_gate)
        {
            _times.Sort();
            var p99 = _times.Count == 0 ? double.PositiveInfinity : _times[_times.Count * 99 / 100];
            _times.Clear();
            return p99;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _pings;
        foreach (var guest in _guests)
        {
            await guest.DisposeAsync();
        }

        _stop.Dispose();
    }

    private async Task PingAsync(Instance instance)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var begin = Stopwatch.GetTimestamp();
                await instance.Info.PingAsync(_stop.Token);
                var time = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
                lock (_gate)
                {
                    _times.Add(time);
                }

                await Task.Delay(s_pause, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (ChannelException)
            {
                Interlocked.Increment(ref _disconnected);
            }
        }
    }

    private async Task WatchAsync(Instance instance)
    {
        try
        {
            await foreach (var e in instance.WatchAsync(_stop.Token))
            {
                if (e.Kind is ChannelEventKind.LinkLost or ChannelEventKind.SessionLost)
                {
                    Interlocked.Increment(ref _disconnected);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the soak.
        }
    }
}
