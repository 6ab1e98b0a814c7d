using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Soak.Tests;

/// <summary>The instance whose guest, monitor or worker is hostile, and a host manager that goes on to call it and to look at it.</summary>
internal sealed class HostileInstance : IAsyncDisposable
{
    private const int SigKill = 9;
    private static readonly StreamMethod<Empty> s_stream = new("test.Stream", StreamClass.Bulk);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _endpoint;
    private readonly string _program;
    private readonly Instance _instance;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _calls;
    private bool _isTakenOver;
    private Exception? _escaped;

    internal HostileInstance(ChannelHost host, string folder)
    {
        (_endpoint, _program) = ($"unix://{folder}/guest.sock", Path.Combine(folder, "worker"));
        Lead(WorkerPrograms.Worker);
        _instance = host.Attach("hostile", _endpoint, new InstanceOptions
        {
            Isolation = HostIsolation.Worker,
            Worker = new WorkerOptions { Program = _program },
            Channel = new ChannelOptions { RetryMax = TimeSpan.FromMilliseconds(200) },
            CallTimeout = TimeSpan.FromSeconds(1),
            // Each fault ends workers; another limit would hold back the next fault.
            Limits = new InstanceLimits { WorkerStarts = 6_000 },
            // A call that lasts, so that calls are as many as may be.
            Serve = static services => services.Unary(new RpcMethod<Empty, Empty>("test.Hold", StreamClass.Rpc), static async (_, context) =>
            {
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
                return new Empty();
            }),
        });
        _calls = Task.WhenAll(LoopAsync(PingAsync), LoopAsync(StreamAsync), LoopAsync(LookAsync));
    }

    /// <summary>What a call of the host manager has thrown that is none of the channel's errors; null: nothing.</summary>
    internal Exception? Escaped => _escaped;

    /// <summary>Why the present link, session or worker is not the first.</summary>
    internal string LastError => _instance.Channel.Status.LastError?.Message ?? "";

    /// <summary>The present worker; 0: there is none.</summary>
    internal int Worker => _instance.Status.Worker?.ProcessId ?? 0;

    /// <summary>Its next worker is one that was taken over, or a right one; the present one is ended by the machine.</summary>
    internal void TakeOver(bool isSo)
    {
        if (_isTakenOver != isSo)
        {
            _isTakenOver = isSo;
            Lead(isSo ? WorkerPrograms.Probe : WorkerPrograms.Worker);
            if (Worker is not 0 and var worker)
            {
                _ = ProcessCalls.Kill(worker, SigKill);
            }
        }
    }

    /// <summary>Waits until the host has said this of the worker that it has ended.</summary>
    internal async Task<bool> HasEndedAsync(string text)
    {
        for (var begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < s_patience;)
        {
            if (LastError.Contains(text, StringComparison.Ordinal))
            {
                return true;
            }

            await Task.Delay(5);
        }

        return false;
    }

    /// <summary>A guest as any follows: the instance works again.</summary>
    internal async Task RecoverAsync()
    {
        TakeOver(false);
        await using var guest = QuietGuests.Start(_endpoint);
        using var soon = new CancellationTokenSource(s_patience);
        while (true)
        {
            try
            {
                await _instance.Info.PingAsync(soon.Token);
                return;
            }
            catch (ChannelException) when (!soon.IsCancellationRequested)
            {
                // What was under way of the hostile one.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _calls;
        _stop.Dispose();
    }

    private void Lead(string program)
    {
        var next = _program + ".next";
        File.CreateSymbolicLink(next, program);
        File.Move(next, _program, overwrite: true);
    }

    private async Task LoopAsync(Func<CancellationToken, Task> call)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await call(_stop.Token);
                await Task.Delay(s_pause, _stop.Token);
            }
            catch (ChannelException)
            {
                // As a call may end; a refusal comes at once, and again.
                await Task.Delay(s_pause, CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
            }
            catch (Exception e)
            {
                _escaped = e;
            }
        }
    }

    private Task PingAsync(CancellationToken cancellationToken) => _instance.Info.PingAsync(cancellationToken);

    private async Task StreamAsync(CancellationToken cancellationToken)
    {
        await using var stream = await _instance.Channel.OpenStreamAsync(s_stream, new Empty(), new CallOptions(TimeSpan.FromSeconds(1)), cancellationToken);
        // Slowly, so that messages gather.
        await Task.Delay(s_pause, cancellationToken);
        using var message = await stream.ReadAsync(cancellationToken);
    }

    private Task LookAsync(CancellationToken cancellationToken)
    {
        _ = _instance.Status;
        return Task.CompletedTask;
    }
}
