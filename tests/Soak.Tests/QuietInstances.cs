using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Soak.Tests;

/// <summary>The host's side of <see cref="QuietGuests"/>: instances that are pinged all the time.</summary>
internal sealed class QuietInstances : IAsyncDisposable
{
    private readonly List<Instance> _instances = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<double> _times = [];
    private readonly Lock _gate = new();
    private readonly TimeSpan _pause;
    private Task _pings = Task.CompletedTask;
    private long _disconnected;

    /// <summary>Attaches them.</summary>
    /// <param name="host">Where.</param>
    /// <param name="folder">Where their guests are.</param>
    /// <param name="count">How many.</param>
    /// <param name="pause">Time between an answer and the next ping.</param>
    /// <param name="options">How; null for the defaults.</param>
    internal QuietInstances(ChannelHost host, string folder, int count, TimeSpan pause, InstanceOptions? options = null)
    {
        _pause = pause;
        for (var i = 0; i < count; i++)
        {
            _instances.Add(host.Attach($"quiet{i}", QuietGuests.EndpointOf(folder, i), options));
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

                await Task.Delay(_pause, _stop.Token);
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
