namespace ChannelSdk.HostEndpoint.Tests.Telemetry;

/// <summary>The project's documents.</summary>
internal static class Documents
{
    /// <summary>The text of one in docs/.</summary>
    public static string Read(string name)
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "docs", name)))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException($"docs/{name} is gone");
        }

        return File.ReadAllText(Path.Combine(folder, "docs", name));
    }
}
