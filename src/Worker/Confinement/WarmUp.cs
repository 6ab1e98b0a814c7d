namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// Runs once, while there are files, what the runtime prepares at its first use: the key of its hashes, for which it opens /dev/urandom and
/// keeps it (without it, it would take the time of day, which a guest can guess), the tables by which exceptions are thrown, and a thread.
/// </summary>
internal static class WarmUp
{
    private const int StackBytes = 64 << 10;

    /// <summary>Runs it.</summary>
    public static void Run()
    {
        try
        {
            throw new InvalidOperationException("".GetHashCode() == 0 ? "0" : "1");
        }
        catch (InvalidOperationException)
        {
            var thread = new Thread(static () => { }, StackBytes);
            thread.Start();
            thread.Join();
        }
    }
}
