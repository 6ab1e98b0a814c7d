namespace ChannelSdk.Host.Options;

/// <summary>A token that fires with another one, or when a time has passed by a given clock.</summary>
internal sealed class TimeLimit : IDisposable
{
    private readonly CancellationTokenSource _passed;
    private readonly CancellationTokenSource _either;

    /// <summary>Begins to count.</summary>
    /// <param name="after">The time.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">The other token.</param>
    public TimeLimit(TimeSpan after, TimeProvider time, CancellationToken cancellationToken)
    {
        _passed = new CancellationTokenSource(after, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _passed.Token);
    }

    /// <summary>Fires first.</summary>
    public CancellationToken Token => _either.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        _either.Dispose();
        _passed.Dispose();
    }
}
