namespace ChannelSdk.Testing;

/// <summary>The programs that scripts/build-worker.sh has built.</summary>
public static class WorkerPrograms
{
    /// <summary>The worker.</summary>
    public static string Worker => Built("artifacts/host/channel-worker");

    /// <summary>What tries, from inside, what a worker may do.</summary>
    public static string Probe => Built("artifacts/tests/in-worker");

    private static string Built(string name)
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ChannelSdk.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests are not below the repository");
        }

        var path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new InvalidOperationException($"there is no {path}; run scripts/build-worker.sh");
    }
}
