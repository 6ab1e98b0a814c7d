namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Work that may wait for storage, or for another process. It runs neither on the channel's receive path, which is one for all that the agent
/// is asked, nor in the pool, which calls that hang can fill.
/// </summary>
internal static class OwnThread
{
    /// <summary>Runs it on a thread that ends with it; its exception becomes the task's.</summary>
    public static Task<T> RunAsync<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
