using System.Text.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// A freeze by qemu-ga, which has no lease of its own: this side keeps it. At its end, and when a thaw got no answer, the
/// guest is thawed again and again until it says itself that it is; until then the operator is told, and told again.
/// </summary>
/// <param name="client">The way to qemu-ga.</param>
/// <param name="setState">What the channel's heartbeats say.</param>
/// <param name="alarm">Told what an operator must know at once.</param>
/// <param name="time">The clock.</param>
internal sealed class QgaFreezeGuard(QgaClient client, Action<StateWord, DateTimeOffset?> setState, Action<string> alarm, TimeProvider time) : IAsyncDisposable
{
    private const int MaxMounts = 256;
    private const string LeftFrozen = "the guest may be FROZEN, and this process ends: thaw it by hand (channelctl qga URI guest-fsfreeze-thaw)";
    private static readonly TimeSpan s_minLease = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_maxLease = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_thawTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);

    // A host that ends must end; how the guest is left is told.
    private static readonly TimeSpan s_lastTry = TimeSpan.FromSeconds(30);
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _stop = new();
    private CancellationTokenSource? _lease;
    private DateTimeOffset _until;
    private string _lastEnd = "";
    private long _count;
    private Task _watching = Task.CompletedTask;

    private bool IsHeld => _lease is not null;

    /// <summary>freeze.Freeze.</summary>
    public async ValueTask<FreezeReport> FreezeAsync(FreezeRequest request, CancellationToken cancellationToken)
    {
        var length = Check(request.LeaseMs);
        if (request.Mounts.Count > MaxMounts)
        {
            throw Refused(ChannelError.InvalidArgument, $"{request.Mounts.Count} mounts; at most {MaxMounts} can be named");
        }

        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (IsHeld)
            {
                throw Refused(ChannelError.FailedPrecondition, "the guest is frozen already; renew the lease, or thaw");
            }

            // From here on the guest may be frozen, even if no reply comes.
            Hold(length);
            try
            {
                var result = request.Mounts.Count == 0
                    ? await client.CallAsync("guest-fsfreeze-freeze", null, length, CancellationToken.None).ConfigureAwait(false)
                    : await client.CallAsync("guest-fsfreeze-freeze-list", Arguments(request.Mounts), length, CancellationToken.None).ConfigureAwait(false);
                _count = result.ValueKind == JsonValueKind.Number && result.TryGetInt64(out var count) ? Math.Max(0, count) : 0;
            }
            catch (ChannelException e)
            {
                await AfterFailureAsync(e).ConfigureAwait(false);
                throw;
            }

            return Report();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>freeze.Thaw.</summary>
    public async ValueTask<FreezeReport> ThawAsync(ThawRequest request, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!IsHeld && !request.Force && !await IsFrozenAsync().ConfigureAwait(false))
            {
                throw Refused(ChannelError.FailedPrecondition, _lastEnd.Length == 0 ? "nothing is frozen, and nothing was" : $"nothing is frozen any more: {_lastEnd}");
            }

            await ThawUntilConfirmedAsync("the host thawed it", cancellationToken).ConfigureAwait(false);
            return Report();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>freeze.Renew.</summary>
    public async ValueTask<FreezeReport> RenewAsync(RenewRequest request, CancellationToken cancellationToken)
    {
        var length = Check(request.LeaseMs);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!IsHeld)
            {
                throw Refused(ChannelError.FailedPrecondition, _lastEnd.Length == 0 ? "nothing is frozen" : $"nothing is frozen any more: {_lastEnd}");
            }

            Hold(length);
            return Report();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>freeze.Status.</summary>
    public FreezeReport Report()
    {
        var left = _until - time.GetUtcNow();
        var report = new FreezeReport
        {
            State = IsHeld ? FreezeState.Frozen : FreezeState.Thawed,
            LastEnd = _lastEnd,
            LeftMs = IsHeld && left > TimeSpan.Zero ? (ulong)left.TotalMilliseconds : 0,
            UntilUnixMs = IsHeld ? _until.ToUnixTimeMilliseconds() : 0,
        };
        report.Mounts.Add(new MountResult
        {
            Mount = "*",
            Outcome = IsHeld ? MountOutcome.Frozen : MountOutcome.Thawed,
            Reason = $"qemu-ga counted {_count} file systems and names none",
        });
        return report;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _stop.CancelAfter(s_lastTry);
        if (IsHeld)
        {
            await EndAsync("the host's process ends").ConfigureAwait(false);
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Hold(TimeSpan length)
    {
        _lease?.Cancel();
        _lease = new CancellationTokenSource();
        _until = time.GetUtcNow() + length;
        setState(StateWord.Frozen, _until);
        _watching = WatchAsync(length, _lease.Token);
    }

    private async Task WatchAsync(TimeSpan length, CancellationToken lease)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(lease, _stop.Token);
        await Task.Delay(length, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!either.IsCancellationRequested)
        {
            await EndAsync($"the lease of {length.TotalSeconds:0.#} s ended").ConfigureAwait(false);
        }
    }

    private async Task EndAsync(string why)
    {
        try
        {
            await _turn.WaitAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            alarm(LeftFrozen);
            return;
        }

        try
        {
            if (IsHeld)
            {
                await ThawUntilConfirmedAsync(why, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Told by the loop.
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task AfterFailureAsync(ChannelException failure)
    {
        var why = $"the freeze failed: {failure.Message}";
        try
        {
            // A guest that answered with an error has thawed what it froze, or never began.
            if (failure.Class == ErrorClass.Refused && !await IsFrozenAsync().ConfigureAwait(false))
            {
                Release(why);
                return;
            }
        }
        catch (ChannelException)
        {
            // It says nothing any more: thawed below.
        }

        await ThawUntilConfirmedAsync(why, _stop.Token).ConfigureAwait(false);
    }

    private void Release(string why)
    {
        _lease?.Cancel();
        _lease = null;
        _lastEnd = $"{why}, at {time.GetUtcNow():u}";
        setState(StateWord.Ready, null);
    }

    /// <summary>Thaws until the guest says that it is thawed. A caller that gives up leaves the rest to the lease.</summary>
    private async Task ThawUntilConfirmedAsync(string why, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            string? failure;
            try
            {
                var thawed = await client.CallAsync("guest-fsfreeze-thaw", null, s_thawTimeout, cancellationToken).ConfigureAwait(false);
                _count = thawed.ValueKind == JsonValueKind.Number && thawed.TryGetInt64(out var count) ? count : 0;
                failure = await IsFrozenAsync().ConfigureAwait(false) ? "it says that it is still frozen" : null;
            }
            catch (ChannelException e)
            {
                failure = e.Message;
            }

            if (failure is null)
            {
                Release(why);
                return;
            }

            alarm($"the guest may be FROZEN: {tries} tries to thaw it failed ({SafeText.Escape(failure)}); it is tried again");
            try
            {
                await Task.Delay(s_again, time, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                alarm(LeftFrozen);
                throw;
            }
        }
    }

    private async ValueTask<bool> IsFrozenAsync()
    {
        try
        {
            var status = await client.CallAsync("guest-fsfreeze-status", null, s_thawTimeout, CancellationToken.None).ConfigureAwait(false);
            return status.ValueKind == JsonValueKind.String && status.ValueEquals("frozen");
        }
        catch (ChannelException e) when (e.Code == ChannelError.Unsupported)
        {
            // Where this command is blocked, the replies of the others must do.
            return false;
        }
    }

    private static string Arguments(IEnumerable<string> mounts) =>
        $"{{\"mountpoints\":[{string.Join(',', mounts.Select(static mount => $"\"{JsonEncodedText.Encode(mount)}\""))}]}}";

    private static TimeSpan Check(uint milliseconds)
    {
        var length = TimeSpan.FromMilliseconds(milliseconds);
        return length >= s_minLease && length <= s_maxLease ? length : throw Refused(ChannelError.InvalidArgument,
            $"lease_ms is {milliseconds}; allowed are {s_minLease.TotalMilliseconds} to {s_maxLease.TotalMilliseconds}");
    }

    private static ChannelException Refused(ChannelError code, string what) => new(code, ErrorClass.Refused, what);
}
