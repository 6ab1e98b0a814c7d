namespace ChannelSdk.Testing;

/// <summary>An upper bound for what must end; a test that reaches it has hung.</summary>
public static class Limit
{
    private static readonly TimeSpan s_hung = TimeSpan.FromSeconds(60);

    public static Task Within(this Task task) => task.WaitAsync(s_hung);

    public static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(s_hung);

    public static Task<T> Within<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(s_hung);
}
