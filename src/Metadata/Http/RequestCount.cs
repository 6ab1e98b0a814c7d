namespace ChannelSdk.Metadata.Http;

/// <summary>The counters behind <see cref="MetadataCounters"/>.</summary>
internal sealed class RequestCount
{
    private long _requests;
    private long _withoutToken;
    private long _badTokens;
    private long _limited;
    private long _failures;

    public void Request() => Interlocked.Increment(ref _requests);

    public void WithoutToken() => Interlocked.Increment(ref _withoutToken);

    public void BadToken() => Interlocked.Increment(ref _badTokens);

    public void Limited() => Interlocked.Increment(ref _limited);

    public void Failure() => Interlocked.Increment(ref _failures);

    public MetadataCounters Snapshot() => new(Interlocked.Read(ref _requests), Interlocked.Read(ref _withoutToken),
        Interlocked.Read(ref _badTokens), Interlocked.Read(ref _limited), Interlocked.Read(ref _failures));
}
