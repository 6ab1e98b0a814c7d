using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Faulty;

/// <summary>Wraps an endpoint and damages its links by a plan: for tests of what stands on top.</summary>
public sealed class FaultyEndpoint : ITransportEndpoint
{
    private readonly ITransportEndpoint _inner;
    private readonly FaultPlan _plan;
    private readonly TimeProvider _time;
    private readonly ReplayHistory _history;
    private int _opened;

    /// <summary>Wraps an endpoint, which is then owned by this one.</summary>
    /// <param name="inner">The endpoint.</param>
    /// <param name="plan">What goes wrong.</param>
    /// <param name="time">The clock of stalls; the system's if null.</param>
    /// <exception cref="ArgumentOutOfRangeException">The plan has a value out of range.</exception>
    public FaultyEndpoint(ITransportEndpoint inner, FaultPlan plan, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(plan);
        plan.Validate();
        _inner = inner;
        _plan = plan;
        _time = time ?? TimeProvider.System;
        _history = new ReplayHistory(plan.LongestReplay);
    }

    /// <inheritdoc/>
    public string Uri => _inner.Uri;

    /// <summary>How many links were opened so far.</summary>
    public int LinksOpened => Volatile.Read(ref _opened);

    /// <inheritdoc/>
    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        var inner = await _inner.OpenAsync(cancellationToken).ConfigureAwait(false);
        var number = Interlocked.Increment(ref _opened) - 1;
        var faults = _plan.For(number);
        return new FaultyLink(inner, faults, unchecked(_plan.Seed + (number * 7919)), _time, _history);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _inner.DisposeAsync();
}
