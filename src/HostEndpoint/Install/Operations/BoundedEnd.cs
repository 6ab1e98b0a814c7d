namespace ChannelSdk.HostEndpoint.Install;

/// <summary>Ends of an operation's parts: nothing that hangs may keep the operation from its own, and what is left of it is found by its mark.</summary>
internal static class BoundedEnd
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(5);

    /// <summary>Waits for an end, but not for ever. What it throws was told before, or does not matter any more.</summary>
    public static async Task OfAsync(ValueTask ending)
    {
        try
        {
            await ending.AsTask().WaitAsync(Time).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is ended as well as it can be.
        }
    }
}
