namespace ChannelSdk.Install.Operations;

/// <summary>Ends an operation's parts within a bound: a part that hangs must not delay the operation's end. What it leaves is found by its mark.</summary>
internal static class BoundedEnd
{
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(5);

    /// <summary>Waits for an end, up to a bound. Its exceptions were reported before, or do not matter any more.</summary>
    public static async Task OfAsync(ValueTask ending)
    {
        try
        {
            await ending.AsTask().WaitAsync(s_time).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is ended as well as it can be.
        }
    }
}
